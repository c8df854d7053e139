"""Selected photos of a split, read without reading the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from jaxtyping import Int

from jdnet_jax.data import pipeline, prepared
from jdnet_jax.data.datasets import Dataset


def spread_over_classes(dataset: Dataset, role: str, count: int, seed: int) -> Int[np.ndarray, " n"]:
    """Positions of photos of a split, drawn by the seed, of as many different classes as possible; ascending.

    Nothing is decoded.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
        count: number of photos; all where the split holds fewer.
        seed: decides which.
    """
    labels = dataset.labels(role)
    order = np.random.default_rng(seed).permutation(len(labels))
    # Each photo's number within its class in this order: the first of every class come first.
    seen: dict[int, int] = {}
    turns = []
    for position in order:
        label = int(labels[position])
        turns.append(seen.setdefault(label, 0))
        seen[label] += 1
    return np.sort(order[np.argsort(turns, kind="stable")[:count]])


def paths(dataset: Dataset, role: str) -> list[str] | None:
    """The original file of each photo of a split, in file order; None if the dataset does not record it.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
    """
    if "path" not in dataset.builder.info.features:
        return None
    feature = {"path": tf.io.FixedLenFeature([], tf.string)}
    parsed = dataset.records[role].map(lambda _, record: tf.io.parse_single_example(record, feature)["path"])
    with prepared.explained(dataset.builder, dataset.splits[role]):
        return [path.decode("utf-8", "replace") for path in parsed.as_numpy_iterator()]


def views(
    dataset: Dataset, role: str, positions: Sequence[int], image_size: int, crop_fraction: float, fit: str
) -> pipeline.Batch:
    """The photos at these positions of a split as an evaluation sees them, in the order asked for.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
        positions: in the split's file order, as `eval_batches` counts them; at least one, none twice.
        image_size: side in pixels.
        crop_fraction: see `augment.central_view`.
        fit: see `augment.central_view`.

    Returns:
        one batch, as `eval_batches` makes them.

    Raises:
        ValueError: a position that the split does not have.
    """
    table = tf.constant(positions, tf.int64)
    few = dataset.records[role].filter(lambda position, _: tf.reduce_any(table == position)).take(len(positions))
    alone = dataclasses.replace(dataset, records={role: few}, sizes={role: len(positions)})
    batches = pipeline.eval_batches(
        alone, role, batch_size=len(positions), image_size=image_size, crop_fraction=crop_fraction, fit=fit
    )
    batch = next(batches, None)
    if batch is None:
        raise ValueError(f"the split {role} has not all of the photos {list(positions)}")
    order = np.searchsorted(batch["index"], positions)
    return {name: rows[order] for name, rows in batch.items()}
