"""Labelled photos as a model sees them: a split of a dataset, or a folder with a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.config import views
from jdnet_jax.data import image_check
from jdnet_jax.data.folder_listing import labelled_files
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.handoff import class_names
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import photos
from jdnet_jax.process.errors import UserError, unknown

Batch = dict[str, np.ndarray]

_BATCH = 64  # photos that are decoded and run together


class LabelledPhotos(NamedTuple):
    """Photos with labels.

    Attributes:
        source: one line that says which photos these are.
        batches: `image` uint8 [n, size, size, 3] (and `context`, see `views.cut`), `label` [n], `index` [n] (number
            among all photos) and, where some rows are padding, `mask` [n].
    """

    source: str
    batches: Iterator[Batch]


def of_dataset(config: ConfigDict, role: str, card: ModelCard) -> LabelledPhotos:
    """The photos of a dataset's split, prepared if necessary, in the views that training evaluates on.

    Args:
        config: the section `dataset` of a run's config.
        role: `train`, `val` or `test`.
        card: the model card.

    Raises:
        UserError: the data cannot be had, or its classes are not the model's.
    """
    dataset = data.prepare(ConfigDict({**config, "view": card.view}))
    class_names.check(dataset.class_names, card.classes, dataset.name)
    batches = data.eval_batches(
        dataset,
        role,
        batch_size=_BATCH,
        image_size=card.image_size,
        crop_fraction=card.crop_fraction,
        fit=card.fit,
    )
    return LabelledPhotos(dataset.protocol, batches)


def of_folder(root: Path, card: ModelCard) -> LabelledPhotos:
    """The photos of an undivided folder, in the layouts of `folder_listing`; classes may be missing.

    The batches skip photos that cannot be read, naming each, and end with a UserError if they are many, or all photos
    of a class.

    Raises:
        UserError: no such folder, a folder in it whose name is not a class, or no photos.
    """
    if card.view != views.PHOTO:
        raise UserError(
            f"--photos={root} holds no masks, and the model looks at {card.view}: put photos/ and masks/ in one folder "
            "and give a config with dataset.name=masked_folder"
        )
    if not root.is_dir():
        raise UserError(f"--photos={root} is not a folder; name the folder that holds one folder per class")
    names = labelled_files(root)
    unknown = [name for name in names if name not in card.classes]
    if unknown or not names:
        what = "folders that are no classes of the model" if names else "no folders of classes"
        if names and not any((root / name).is_dir() for name in unknown):
            what = "a list with what are no classes of the model"
        raise UserError(
            f"--photos={root} has {what} ({listed(unknown)}); each must be named as one of the model's "
            f"{len(card.classes)} classes, such as {listed(card.classes, 3)}"
        )
    labels = {file: card.classes.index(name) for name, files in names.items() for file in files}
    if not labels:
        raise UserError(f"--photos={root} holds no photos")
    source = f"{root}: {counted(len(labels), 'photo')} of {counted(len(names), 'class')}"
    return LabelledPhotos(source, _of_files(labels, card, root))


def of_classes(labelled: LabelledPhotos, names: Sequence[str], card: ModelCard) -> tuple[LabelledPhotos, list[int]]:
    """The photos of some classes, and the numbers of these classes in the model.

    Args:
        labelled: the photos.
        names: names of the classes.
        card: the model card.

    Raises:
        UserError: a name that is no class of the model. From the batches, at their end: there was no such photo.
    """
    for name in names:
        if name not in card.classes:
            raise UserError(f"--classes: {unknown('class', name, card.classes)}")
    numbers = sorted({card.classes.index(name) for name in names})
    source = f"{labelled.source}; only photos of {listed([card.classes[number] for number in numbers])}"
    return LabelledPhotos(source, _kept(labelled.batches, numbers, listed(names))), numbers


def _kept(batches: Iterator[Batch], numbers: Sequence[int], names: str) -> Iterator[Batch]:
    kept_count = 0
    for batch in batches:
        kept = np.isin(batch["label"], numbers) & batch.get("mask", True)
        if kept.any():
            kept_count += int(kept.sum())
            yield {key: rows[kept] for key, rows in batch.items()}
    if not kept_count:
        raise UserError(f"--classes: there are no photos of {names} in this split or folder")


def _of_files(labels: dict[Path, int], card: ModelCard, root: Path) -> Iterator[Batch]:
    reasons: dict[Path, str] = {}
    rows: list[tuple[np.ndarray, int, int]] = []
    for index, photo in enumerate(photos.read(labels, card)):
        if photo.view is None:
            reasons[photo.path] = photo.problem
            continue
        rows.append((photo.view, labels[photo.path], index))
        if len(rows) == _BATCH:
            yield _batch(rows)
            rows = []
    image_check.refuse_many(reasons, len(labels), root, own=True)
    lost = set(labels.values()) - {label for file, label in labels.items() if file not in reasons}
    if lost:
        raise UserError(
            f"no photo of {listed([card.classes[label] for label in sorted(lost)])} in {root} can be read: repair the "
            "photos or remove the folder"
        )
    if rows:
        yield _batch(rows)


def _batch(rows: Sequence[tuple[np.ndarray, int, int]]) -> Batch:
    images, labels, indices = zip(*rows, strict=True)
    return {"image": np.stack(images), "label": np.array(labels), "index": np.array(indices)}
