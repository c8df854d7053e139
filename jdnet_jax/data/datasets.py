"""Preparation of the dataset that a config names: a TFDS dataset with splits, sizes and class names.

Our builders read raw files that the user names (or fetch them from their public source); every other name is
TFDS's. Either way the prepared records live in the TFDS data directory: the environment variable TFDS_DATA_DIR, or
TFDS's default.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging as absl_logging
from jaxtyping import Int
from ml_collections import ConfigDict

from jdnet_jax.config import views
from jdnet_jax.data import builders, preparation, prepared, records, unlabelled_folder
from jdnet_jax.data import decoded as decoded_photos
from jdnet_jax.process.errors import UserError

ROLES = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """Unlabelled photos that training uses in addition to the labelled ones.

    Attributes:
        records: (position, serialized example) of each photo.
        size: number of photos.
        share: share of each training batch, above 0 and below 1.
        protocol: one line that says which they are.
    """

    records: tf.data.Dataset
    size: int
    share: float
    protocol: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A prepared dataset.

    Attributes:
        name: name in the config.
        class_names: class names in the order of the labels.
        sizes: number of examples of each role.
        splits: the TFDS split string of each role.
        builder: the TFDS builder, prepared.
        records: records of each role, in file order: (position, serialized example), as `records.read` gives them.
        protocol: one line for logs and result tables: splits, counts, what was left out.
        shuffle_buffer: number of encoded records that training shuffles at a time; a split that is not larger is
            permuted in full.
        view: what the batches show of each photo, one of `views.VIEWS`.
        balance: how evenly classes are seen in training, see `balance`; 0 where each photo is seen once an epoch.
        unlabelled: photos without labels; None where there are none, or the dataset is not to be trained on.
        decoded: train's photos, decoded once; None where views are made of the records.
    """

    name: str
    class_names: tuple[str, ...]
    sizes: Mapping[str, int]
    splits: Mapping[str, str]
    builder: tfds.core.DatasetBuilder
    records: Mapping[str, tf.data.Dataset]
    protocol: str
    shuffle_buffer: int
    view: str = views.PHOTO
    unlabelled: Unlabelled | None = None
    balance: float = 0.0
    decoded: decoded_photos.DecodedPhotos | None = None

    def overlap(self, one: str, other: str) -> bool:
        """Whether two roles have examples in common."""
        return records.overlap(self.builder, self.splits[one], self.splits[other])

    def labels(self, role: str) -> Int[np.ndarray, " n"]:
        """The label of each photo of a role, in file order: reads all of its records, and decodes none."""
        with prepared.explained(self.builder, self.splits[role]):
            return records.labels(self.records[role])

    def counts(self, role: str) -> Int[np.ndarray, " classes"]:
        """The number of photos of each class in a role; reads all of its records, as `labels` does."""
        return np.bincount(self.labels(role), minlength=len(self.class_names))


@preparation.quiet_tfds()
def prepare(config: ConfigDict) -> Dataset:
    """Finds the dataset's builder, downloads and prepares the data if necessary, and checks the splits.

    Args:
        config: `name`; `data_dir` (our builders: the raw files, '' for the public source; TFDS's: the
            TFDS data directory, '' for the default); `splits` {train, val, test: TFDS split strings}; `options` of
            the builder; `shuffle_buffer` in records; `cache`: True keeps the records of train and val in memory,
            `decoded` val's alone; `balance` of the classes in training; `view`: one of `views.VIEWS`, of which all but
            the whole photo need a dataset with masks.

    Raises:
        UserError: the dataset, an option or a split is unknown, a split is empty, the data cannot be had, or the cache
            does not fit.
    """
    view = config.get("view", views.PHOTO)  # a run of an earlier version has none

    def create() -> tfds.core.DatasetBuilder:
        builder = builders.create(config.name, config.data_dir, dict(config.options))
        _check_view(builder, config.name, view)
        return builder

    builder = preparation.prepared_once(create)
    features = builder.info.features
    for feature, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
        if feature not in features or not isinstance(features[feature], kind):
            raise UserError(
                f"dataset.name={config.name!r} is not an image classification dataset: it has no {kind.__name__} "
                f"{feature!r} among its features ({', '.join(features)}); choose another dataset"
            )
    file_format = builder.info.file_format
    if file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"dataset {config.name} in {builder.data_path} was prepared as {file_format.value}: prepare it as tfrecord"
        )
    prepared.check(builder)
    if config.name not in builders.OURS:  # ours look at each photo before they write it
        prepared.check_photos(builder)
    splits = {role: config.splits[role] for role in ROLES}
    sizes = {role: _size(builder, config.name, role, split) for role, split in splits.items()}
    protocol = f"{builder.info.full_name}: " + ", ".join(f"{role} {sizes[role]} ({splits[role]})" for role in ROLES)
    if builder.info.metadata and "protocol" in builder.info.metadata:
        protocol += f"; {builder.info.metadata['protocol']}"
    absl_logging.info("dataset %s", protocol)
    streams = {role: records.read(builder, split) for role, split in splits.items()}
    if config.cache:
        _cached(streams, builder, splits, ("val",) if config.cache == decoded_photos.DECODED else ("train", "val"))
    return Dataset(
        name=config.name,
        class_names=tuple(features["label"].names),
        sizes=sizes,
        splits=splits,
        builder=builder,
        records=streams,
        protocol=protocol,
        shuffle_buffer=config.shuffle_buffer,
        view=view,
        balance=config.get("balance", 0.0),  # a run of an earlier version has none
    )


@preparation.quiet_tfds()
def with_unlabelled(dataset: Dataset, config: ConfigDict) -> Dataset:
    """The dataset with the unlabelled photos that its config names, if any, prepared.

    Args:
        dataset: prepared.
        config: `unlabelled`: their folder, or ''; `unlabelled_share` of each training batch.

    Raises:
        UserError: the folder is not there, or holds no photos, or many that cannot be read.
    """
    folder = os.path.expanduser(config.get("unlabelled", ""))  # a run of an earlier version has none
    if not folder:
        return dataset

    def create() -> tfds.core.DatasetBuilder:
        with prepared.opening(Path(builders.store() or tfds.core.constants.DATA_DIR), "unlabelled_folder"):
            return unlabelled_folder.create(folder, builders.store())

    builder = preparation.prepared_once(create)
    prepared.check(builder)
    size = builder.info.splits["train"].num_examples
    share = config.unlabelled_share
    protocol = f"{share:.3g} of each batch from {builder.info.full_name}: {size} photos without labels"
    protocol += f", {builder.info.metadata['protocol']}"
    unlabelled = Unlabelled(records.read(builder, "train"), size, share, protocol)
    return dataclasses.replace(dataset, unlabelled=unlabelled)


def with_decoded(dataset: Dataset, config: ConfigDict) -> Dataset:
    """The dataset with the training photos decoded, if its config asks for that.

    They are decoded once for all runs and processes; evaluation still decodes its photos itself, so its views do not
    change.

    Args:
        dataset: prepared.
        config: config of the run: `dataset.cache` and `image_size`.

    Raises:
        UserError: a photo cannot be decoded, or the disk has no room for them.
    """
    if config.dataset.cache != decoded_photos.DECODED:
        return dataset
    split, side = dataset.splits["train"], decoded_photos.side_for(config.image_size)
    folder = decoded_photos.folder_for(dataset.builder, split, side)
    with preparation.locked(folder):
        photos = decoded_photos.read(folder)
        if photos is None:
            with prepared.explained(dataset.builder, split):
                decoded_photos.write(folder, dataset.records["train"], dataset.sizes["train"], side)
            photos = decoded_photos.read(folder)
    return dataclasses.replace(dataset, decoded=photos)


def _check_view(builder: tfds.core.DatasetBuilder, name: str, view: str) -> None:
    """Checks, before any download, that a dataset has the masks that the view needs."""
    features = builder.info.features
    has_masks = "mask" in features and isinstance(features["mask"], tfds.features.Image)
    if view != views.PHOTO and not has_masks:
        raise UserError(
            f"dataset.view={view!r} needs a mask for each photo, and {name} has none: choose a dataset that has "
            f"({', '.join(builders.MASKED)}), or view={views.PHOTO!r}"
        )


def _cached(
    streams: dict[str, tf.data.Dataset],
    builder: tfds.core.DatasetBuilder,
    splits: Mapping[str, str],
    roles: Sequence[str],
) -> None:
    """Keeps the records of these roles in memory from their first reading on (test is read once)."""
    needed = sum(records.stored_bytes(builder, splits[role]) for role in roles)
    room = records.room_for_cache()
    what = f"the records of {' and '.join(roles)} take {needed / 1e9:.2f} GB of memory in each process"
    if needed > room:
        raise UserError(
            f"config.dataset.cache: {what}, but {room / 1e9:.2f} GB of memory are available for them: set it to False, "
            "or choose smaller splits"
        )
    absl_logging.info("%s; %.2f GB of memory are available for them", what, room / 1e9)
    for role in roles:
        streams[role] = streams[role].cache()


@preparation.quiet_tfds()
def find_prepared(config: ConfigDict) -> Dataset | None:
    """The dataset if it is already prepared; None if anything must be downloaded or prepared.

    Args:
        config: as for `prepare`.
    """
    try:
        is_there = builders.create(config.name, config.data_dir, dict(config.options)).is_prepared()
        return prepare(config) if is_there else None
    except UserError:
        return None  # its raw files have gone, say


@preparation.quiet_tfds()
def create(config: ConfigDict) -> tfds.core.DatasetBuilder:
    """The builder that `prepare` would use; nothing is downloaded or prepared.

    Raises:
        UserError: as `prepare`, where it is known before the data are read.
    """
    return builders.create(config.name, config.data_dir, dict(config.options))


def _size(builder: tfds.core.DatasetBuilder, name: str, role: str, split: str) -> int:
    what = f"dataset.splits.{role}={split!r} of {name}"
    try:
        size = builder.info.splits[split].num_examples
    except (ValueError, KeyError, AssertionError) as error:
        raise UserError(f"{what}, which has {', '.join(builder.info.splits)}: {builders.first_line(error)}") from error
    if size <= 0:
        raise UserError(f"{what} holds no images; choose a larger split")
    return size
