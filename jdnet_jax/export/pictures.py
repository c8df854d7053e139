"""The pictures of an export: for the ranges of activations, and for the comparison of file and student."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Int, UInt8

from jdnet_jax.config import views
from jdnet_jax.data import Dataset, augment, prepared, records
from jdnet_jax.data.synthetic_meals import builder as synthetic_meals
from jdnet_jax.data.wording import counted
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import photos
from jdnet_jax.process.errors import UserError

_SEED = 0  # the same pictures for every export
_DRAWN = 48
ALL, CALIBRATION, HELD_OUT = "all", "calibration", "held out"  # parts of a folder


class Pictures(NamedTuple):
    """Views of photos, as the model sees them.

    Attributes:
        source: one line that says which they are.
        images: RGB.
        labels: the class of each photo; None where they are not known.
    """

    source: str
    images: UInt8[np.ndarray, "n size size channels"]
    labels: Int[np.ndarray, " n"] | None


def of_split(dataset: Dataset, role: str, card: ModelCard, limit: int) -> Pictures:
    """Photos of a prepared dataset; if it has more than the limit, spread over its classes.

    Args:
        dataset: prepared.
        role: `train`, `val` or `test`.
        card: the model card.
        limit: the most photos to take.
    """

    has_mask = card.view != views.PHOTO

    def parsed(position: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        encoded, label = records.parse(serialized[None])
        masks = records.parse_masks(serialized[None]) if has_mask else tf.constant([b""])
        return encoded[0], label[0], masks[0]

    stored = dataset.records[role].map(parsed)
    with prepared.explained(dataset.builder, dataset.splits[role]):
        labels = np.array([*stored.map(lambda encoded, label, mask: label).as_numpy_iterator()])
        chosen = spread(labels.tolist(), limit)
        wanted = set(chosen)
        images: dict[int, np.ndarray] = {}
        for position, (encoded, _, mask) in enumerate(stored):
            if position in wanted:
                view = augment.central_view(
                    encoded, card.image_size, card.crop_fraction, fit=card.fit, mask=mask if has_mask else None
                ).numpy()
                images[position] = views.seen(view[..., :3], view[..., 3:], card.view)
                if len(images) == len(wanted):
                    break
    source = f"{counted(len(chosen), 'photo')} of {dataset.name}, {role}"
    return Pictures(source, np.stack([images[index] for index in chosen]), labels[chosen])


def of_folder(folder: Path, card: ModelCard, limit: int, part: str = ALL) -> Pictures:
    """Photos below a folder; if it has more than the limit, spread over the folders in it.

    Photos that cannot be read are skipped. Labels are known if every photo lies in a folder with a class's name.

    Args:
        folder: searched with the folders in it.
        card: the model card.
        limit: the most photos to take.
        part: `ALL`; `HELD_OUT`, a quarter of the photos; or `CALIBRATION`, those that are not held out.

    Raises:
        UserError: it is no folder, or no photo in the part can be read.
    """
    if card.view != views.PHOTO:
        raise UserError(
            f"--calibrate={folder} holds no masks, and the model looks at {card.view}: leave it out, and prepare the "
            "dataset of the run here"
        )
    if not folder.is_dir():
        raise UserError(f"--calibrate={folder} is not a folder; name one with photos such as the model will see")
    files = photos.find([str(folder)])
    order = spread([str(file.parent) for file in files], len(files))
    order = [i for turn, i in enumerate(order) if part == ALL or (turn % 4 == 1) == (part == HELD_OUT)]
    read = photos.read((files[i] for i in order), card)
    readable = ((photo.path.parent.name, photo.view) for photo in read if photo.view is not None)
    seen = [*itertools.islice(readable, limit)]
    if not seen and part == HELD_OUT:
        raise UserError(
            f"--calibrate={folder} has one photo: about a hundred are needed to calibrate, and others to compare the "
            "file on"
        )
    if not seen:
        raise UserError(f"--calibrate={folder} has no photos that can be read; name a folder with photos of food")
    source = f"{counted(len(seen), 'photo')} of {folder}"
    if part == HELD_OUT:
        source += " that it was not calibrated with"
    numbers = {name: number for number, name in enumerate(card.classes)}
    labels = [numbers.get(name, -1) for name, _ in seen]
    return Pictures(source, np.stack([view for _, view in seen]), None if -1 in labels else np.array(labels))


def drawn(card: ModelCard) -> Pictures:
    """Drawn plates of food, from the set that comes with the project, for use where there are no photos."""
    examples = [synthetic_meals.example("val", i, card.image_size) for i in range(_DRAWN)]
    images = [
        views.seen(example["image"], example["mask"][..., None].astype(np.uint8), card.view) for example in examples
    ]
    return Pictures(f"{_DRAWN} drawn pictures", np.stack(images), None)


def spread(groups: Sequence[Hashable], limit: int) -> list[int]:
    """The positions of at most `limit` members, chosen as evenly from all groups as their sizes allow.

    Groups take turns, in another order for each turn; which member comes first is drawn, from a fixed seed.

    Args:
        groups: the group of each position.
        limit: number of positions to choose.
    """
    rng = np.random.default_rng(_SEED)
    turns: list[list[int]] = []
    seen: dict[Hashable, int] = {}
    for position in rng.permutation(len(groups)).tolist():
        turn = seen.get(groups[position], 0)
        seen[groups[position]] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(position)
    return list(itertools.chain.from_iterable(turns))[:limit]
