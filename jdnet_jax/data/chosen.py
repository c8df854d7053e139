"""Single photos of a split, for whoever looks at a few of them rather than at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Int, UInt8

from jdnet_jax.data import augment, records
from jdnet_jax.data.datasets import Dataset

_PARSED_TOGETHER = 256


def spread_over_classes(dataset: Dataset, role: str, count: int, seed: int) -> Int[np.ndarray, " n"]:
    """Positions of photos of a split, drawn by the seed, of as many different classes as possible; ascending.

    Nothing is decoded.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
        count: how many; fewer where the split holds fewer.
        seed: decides which.
    """
    parsed = dataset.records[role].map(lambda _, record: record).batch(_PARSED_TOGETHER)
    labels = np.concatenate([records.parse(batch)[1].numpy() for batch in parsed])
    order = np.random.default_rng(seed).permutation(len(labels))
    # The how-manieth of its class each photo is in this order: the first of every class come first.
    seen: dict[int, int] = {}
    turns = []
    for position in order:
        label = int(labels[position])
        turns.append(seen.setdefault(label, 0))
        seen[label] += 1
    return np.sort(order[np.argsort(turns, kind="stable")[:count]])


def views(
    dataset: Dataset, role: str, positions: Sequence[int], image_size: int, crop_fraction: float
) -> tuple[UInt8[np.ndarray, "n size size 3"], Int[np.ndarray, " n"]]:
    """The evaluation views of the photos at these positions of a split, in the order asked for, and their labels.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
        positions: in the split's file order, as `eval_batches` counts them.
        image_size: side in pixels.
        crop_fraction: see `augment.central_view`.

    Raises:
        ValueError: a position that the split does not have.
    """
    wanted = set(map(int, positions))
    found: dict[int, tuple[np.ndarray, int]] = {}
    if wanted:
        table = tf.constant(sorted(wanted), tf.int64)
        stream = dataset.records[role].filter(lambda position, _: tf.reduce_any(table == position)).take(len(wanted))
        for position, record in stream:
            encoded, label = records.parse(record[None])
            image = augment.central_view(encoded[0], image_size, crop_fraction).numpy()
            found[int(position)] = image, int(label[0])
    if missing := wanted - found.keys():
        raise ValueError(f"the split {role} has no photos at {sorted(missing)}")
    images = np.zeros((len(positions), image_size, image_size, 3), np.uint8)
    labels = np.zeros(len(positions), np.int32)
    for i, position in enumerate(positions):
        images[i], labels[i] = found[int(position)]
    return images, labels
