"""A user's own photos: a folder with a sub-folder for each class (see `folder_listing` for the layouts).

A split that the folder lacks is held out of train, class by class, by a hash of the paths; identical files stay
together. A share of 0 is by the number of photos: a tenth, and of few photos more, see `share_of`. With `folds` the
test is one of so many parts, each of which is tested on once by one of so many trainings.

So photos in a folder `val` are never tested on, nor those in a folder `test` tuned on: who has train and val alone and
wants val's photos as the test names that folder `test`, and a val is then held out of train.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import image_check, near_duplicates, photo_file
from jdnet_jax.data.folder_listing import SPLITS, Listing, Photo, digest, read_listing
from jdnet_jax.data.hold_out import stratified_folds, stratified_hold_out
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.local_builder import LocalBuilder, Unchecked, with_progress
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.process.errors import UserError

#: Photos of test from which on an accuracy is known to 10 points to either side.
ENOUGH = 100
LEAST_HELD_OUT, MOST_HELD_OUT = 0.1, 0.2

Divided = dict[str, tuple[Photo, ...]]


@dataclasses.dataclass(eq=False)
class ImageFolderConfig(tfds.core.BuilderConfig):
    """What to build: the folder, and how much of each class a missing split takes from train; see `create`."""

    raw_dir: str = ""
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    split_seed: int = 0
    folds: int = 0
    fold: int = 0


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What is remembered of a photo that was read.

    Attributes:
        content: SHA-256 of the file.
        picture: `near_duplicates.difference_hash` of the decoded photo.
        is_kept: whether the record holds the file byte for byte.
        size: its height and width in pixels.
    """

    content: bytes
    picture: int
    is_kept: bool
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Examination:
    """What is found in a folder before anything is written.

    Attributes:
        listing: what lies there.
        divided: the photos that can be read, by split.
        fingerprints: of those, by path.
        unreadable: path of each other photo -> the reason.
    """

    listing: Listing
    divided: Divided
    fingerprints: Mapping[str, Fingerprint]
    unreadable: Mapping[str, str]

    def under_several_classes(self) -> list[list[str]]:
        """Paths of identical files that lie under several classes, all but one of which must be wrong."""
        classes_of = defaultdict(set)
        paths_of = defaultdict(list)
        for photos in self.divided.values():
            for photo in photos:
                content = self.fingerprints[photo.path].content
                classes_of[content].add(photo.class_name)
                paths_of[content].append(photo.path)
        return [paths_of[content] for content, names in classes_of.items() if len(names) > 1]

    def nearly_the_same(self, *, across: bool) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """Pairs of photos that are nearly the same picture, each as (split, path), in two splits or in one."""
        hashes = {
            split: np.array([self.fingerprints[photo.path].picture for photo in photos], np.uint64)
            for split, photos in self.divided.items()
        }
        pairs = near_duplicates.pairs_across(hashes) if across else near_duplicates.pairs_within(hashes)
        return [((a, self.divided[a][i].path), (b, self.divided[b][j].path)) for (a, i), (b, j) in pairs]


def create(
    raw_dir: str,
    store: str | None,
    *,
    val_fraction: Unchecked = 0.1,
    test_fraction: Unchecked = 0.1,
    split_seed: Unchecked = 0,
    folds: Unchecked = 0,
    fold: Unchecked = 0,
) -> ImageFolder:
    """The builder for a folder of photos.

    The name of its config, and so the place of its records, carries the options and a digest of the photos: another
    folder or a changed one is prepared anew.

    Args:
        raw_dir: the folder.
        store: TFDS data directory; None for TFDS's default.
        val_fraction: share of each class that is held out of train where the folder has no val; 0: see `share_of`.
        test_fraction: likewise for test; both together are below 1.
        split_seed: another seed holds out other photos.
        folds: for cross-validation, test is one of so many parts of the photos; 0 for a test as `test_fraction` says.
        fold: which one, from 0.

    Raises:
        UserError: an option is impossible, or the folder holds no such dataset.
    """
    wanted = {"val": val_fraction, "test": test_fraction}
    shares = {role: MOST_HELD_OUT if share == 0 else share for role, share in wanted.items()}
    check_options("image_folder", raw_dir, store, shares["val"], shares["test"], split_seed)
    check_folds(folds, fold)
    listing = read_listing(Path(raw_dir))
    if folds and "test" in listing.photos:
        raise UserError(
            f"dataset.options.folds={folds}: {raw_dir} has a test of its own, which every training would be tested on: "
            "put its photos to the others, or leave folds out"
        )
    photos = len(listing.photos["train"])
    shares = {role: share_of(role, photos) if share == 0 else share for role, share in wanted.items()}
    config = config_of(raw_dir, shares["val"], shares["test"], split_seed, digest(listing), folds, fold)
    return ImageFolder(data_dir=store, config=config)


def share_of(role: str, photos: int) -> float:
    """The share of a folder's photos that is held out where nobody says another.

    A tenth. Of fewer than 1,000 photos more, so that there are ENOUGH to test on, though never more than a fifth; for
    val, on which what takes ENOUGH photos is fitted, only where a fifth is ENOUGH (OURS).

    Args:
        role: `val` or `test`.
        photos: how many there are to hold out of.

    >>> [share_of("test", photos) for photos in (200, 600, 5000)], share_of("val", 200), share_of("val", 600)
    ([0.2, 0.17, 0.1], 0.1, 0.17)
    """
    wanted = math.ceil(100 * ENOUGH / photos) / 100
    if role == "val" and wanted > MOST_HELD_OUT:
        return LEAST_HELD_OUT
    return min(max(wanted, LEAST_HELD_OUT), MOST_HELD_OUT)


def check_folds(folds: Unchecked, fold: Unchecked) -> None:
    """Checks the options of a cross-validation.

    Raises:
        UserError: one of them is impossible.
    """
    if not _is_whole(folds) or folds == 1 or folds < 0:
        raise UserError(f"dataset.options.folds={folds!r} of image_folder must be 0, or a whole number of at least 2")
    if not _is_whole(fold) or not 0 <= fold < max(folds, 1):
        raise UserError(f"dataset.options.fold={fold!r} of image_folder must be a whole number from 0, below folds")


def _is_whole(value: Unchecked) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def config_of(
    raw_dir: str,
    val_fraction: float,
    test_fraction: float,
    split_seed: int,
    content: str,
    folds: int = 0,
    fold: int = 0,
) -> ImageFolderConfig:
    """The builder's config, whose name carries the options and `content`, a digest of what is in the folder."""
    part = f"fold{fold}of{folds}_" if folds else ""
    return ImageFolderConfig(
        name=f"{part}val{val_fraction}_test{test_fraction}_seed{split_seed}_{content}",
        raw_dir=raw_dir,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
        folds=folds,
        fold=fold,
    )


def check_options(
    name: str,
    raw_dir: str,
    store: str | None,
    val_fraction: Unchecked,
    test_fraction: Unchecked,
    split_seed: Unchecked,
) -> None:
    """Checks what `create` is given.

    Args:
        name: of the builder, for messages.
        raw_dir: as for `create`, like the others.

    Raises:
        UserError: an option is impossible.
    """
    for option, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise UserError(f"dataset.options.{option}={value!r} of {name} must be above 0 and below 1")
    if val_fraction + test_fraction >= 1:
        raise UserError(
            f"dataset.options.val_fraction={val_fraction} and test_fraction={test_fraction} of {name} leave "
            "nothing to train on: their sum must be below 1"
        )
    if not isinstance(split_seed, int):
        raise UserError(f"dataset.options.split_seed={split_seed!r} of {name} must be an integer")
    if not raw_dir:
        raise UserError("dataset.data_dir is empty: name the folder of your photos, which holds a folder a class")
    if store and Path(store).resolve().is_relative_to(Path(raw_dir).resolve()):
        raise UserError(
            f"TFDS_DATA_DIR={store} lies in dataset.data_dir={raw_dir}, among the photos: choose another place for the "
            "prepared records"
        )


class ImageFolder(LocalBuilder):
    """Builder of a folder of photos; made by `create`."""

    VERSION = tfds.core.Version("1.1.0")  # raised where other photos of a folder are taken, or read otherwise

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="A user's own photos, in a folder for each class.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),  # JPEG or PNG, as `photo_file` has it
                    "label": tfds.features.ClassLabel(),  # named once the folder is read
                    "path": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        config = self.builder_config
        found = examine(config)
        self.info.features["label"].names = found.listing.class_names
        self.info.metadata["protocol"] = "; ".join(
            [
                counted(len(found.listing.class_names), "class"),
                *how_divided(found.listing, found.divided, config),
                counted(len(found.unreadable), "unreadable photo") + " skipped",
                *_left_out(found.listing),
                counted(sum(not print_.is_kept for print_ in found.fingerprints.values()), "photo") + " rewritten",
                *_suspicious(found),
            ]
        )
        return {split: self._generate_examples(found.divided[split]) for split in SPLITS}

    def _generate_examples(self, photos: Sequence[Photo]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo, encoded in zip(photos, self.records([photo.file for photo in photos]), strict=True):
            example = {"image": io.BytesIO(encoded), "label": photo.class_name, "path": photo.path}
            yield photo.path, example


def examine(config: ImageFolderConfig) -> Examination:
    """Reads all photos of a folder and divides them; who looks and then prepares has them read once.

    Args:
        config: as `config_of` makes it.

    Raises:
        UserError: as `fingerprint` and `divide`.
    """
    return _examined(
        config.name,
        config.raw_dir,
        config.val_fraction,
        config.test_fraction,
        config.split_seed,
        config.folds,
        config.fold,
    )


@functools.lru_cache(maxsize=1)
def _examined(
    name: str, raw_dir: str, val_fraction: float, test_fraction: float, split_seed: int, folds: int, fold: int
) -> Examination:
    del name  # the key's part that tells a changed folder from what it was
    listing = read_listing(Path(raw_dir))
    fingerprints, unreadable = fingerprint(listing)
    readable = only_in(fingerprints, listing.photos)
    contents = {path: print_.content for path, print_ in fingerprints.items()}
    divided = divide(readable, contents, val_fraction, test_fraction, split_seed, folds, fold)
    return Examination(listing, divided, fingerprints, unreadable)


def only_in(fingerprints: Container[str], photos: Mapping[str, Sequence[Photo]]) -> dict[str, tuple[Photo, ...]]:
    """Of each split the photos whose paths are among `fingerprints`."""
    return {split: tuple(photo for photo in members if photo.path in fingerprints) for split, members in photos.items()}


def fingerprint(listing: Listing) -> tuple[dict[str, Fingerprint], dict[str, str]]:
    """Reads and decodes every photo; the fingerprints by path of those that can be read, the reason of each other.

    Raises:
        UserError: many of a split's photos cannot be read, see `image_check.refuse_many`, or all of a class in train.
    """
    fingerprints: dict[str, Fingerprint] = {}
    unreadable: dict[str, str] = {}
    for split, photos in listing.photos.items():
        bad: dict[Path, str] = {}
        results = in_order(_fingerprint, with_progress(photos, f"reading {split} of {listing.root}"))
        for photo, result in zip(photos, results, strict=True):
            if isinstance(result, str):
                bad[photo.file] = unreadable[photo.path] = result
            else:
                fingerprints[photo.path] = result
        image_check.refuse_many(bad, len(photos), f"{split} of {listing.root}", own=True)
    lost = set(listing.class_names) - {
        photo.class_name for photo in listing.photos["train"] if photo.path in fingerprints
    }
    if lost:
        raise UserError(
            f"no photo of {listed(sorted(lost))} in {listing.root} can be read: mend the photos or remove the folder"
        )
    return fingerprints, unreadable


def divide(
    photos: Mapping[str, Sequence[Photo]],
    contents: Mapping[str, bytes],
    val_fraction: float,
    test_fraction: float,
    seed: int,
    folds: int = 0,
    fold: int = 0,
) -> Divided:
    """Holds the splits that `photos` lacks out of its train.

    Class by class, as `stratified_hold_out` does: a class of one photo is in train alone, one of two in train and in
    the first of test and val that is missing. Identical files are never parted. Those that lie under several classes,
    of which all but one must be wrong, stay in train and are not counted: a test on them would measure nothing.

    Args:
        photos: of train and of each split that there is.
        contents: from a photo's path to what is equal for identical files.
        val_fraction: share of each class.
        test_fraction: likewise.
        seed: of the hash that decides.
        folds: where not 0, test is one of so many parts, see `stratified_folds`.
        fold: which.

    Raises:
        UserError: a split would be empty.
    """
    missing = {
        split: fraction for split, fraction in (("test", test_fraction), ("val", val_fraction)) if split not in photos
    }
    classes_of = defaultdict(set)
    for photo in photos["train"]:
        classes_of[contents[photo.path]].add(photo.class_name)
    labels = {photo.path: photo.class_name for photo in photos["train"] if len(classes_of[contents[photo.path]]) == 1}
    if folds:
        fold_of = stratified_folds(labels, folds, seed, contents)
        tested = {path for path, of_photo in fold_of.items() if of_photo == fold}
        del missing["test"]
        rest = {path: label for path, label in labels.items() if path not in tested}
        held_out = {"test": tested, **stratified_hold_out(rest, missing, seed, contents)}
    else:
        held_out = stratified_hold_out(labels, missing, seed, contents)
    for split, held in held_out.items():
        if not held:
            raise UserError(f"{split} would hold no photos: no class has enough to hold one out; add some to train")
    split_of = {path: split for split, held in held_out.items() for path in held}
    divided: dict[str, list[Photo]] = {split: list(photos.get(split, ())) for split in ("val", "test")} | {"train": []}
    for photo in photos["train"]:
        divided[split_of.get(photo.path, "train")].append(photo)
    return {split: tuple(divided[split]) for split in SPLITS}


def _fingerprint(photo: Photo) -> Fingerprint | str:
    """The fingerprint, or the reason why there is none."""
    try:
        content = image_check.read(photo.file)
        record = photo_file.to_record(content)
        pixels = image_check.decode(record)
    except UnreadablePhotoError as error:
        return str(error)
    picture, size = near_duplicates.difference_hash(pixels), (pixels.shape[0], pixels.shape[1])
    return Fingerprint(hashlib.sha256(content).digest(), picture, record is content, size)


def how_divided(listing: Listing, divided: Divided, config: ImageFolderConfig) -> Iterator[str]:
    """Words on where val and test come from, and on classes of which they or train have too little."""
    given = [split for split in SPLITS if split in listing.photos and split != "train"]
    if given:
        yield f"{' and '.join(given)} as the folder has {'them' if len(given) > 1 else 'it'}"
    for split, fraction in (("val", config.val_fraction), ("test", config.test_fraction)):
        if split == "test" and config.folds:
            part = f"part {config.fold + 1} of {config.folds} of the photos"
            yield f"test is {part}, by a hash of the paths, seed {config.split_seed}"
        elif split not in listing.photos:
            share = f"{100 * fraction:g} % of each class of train"
            yield f"{split}, which the folder lacks, is {share}, by a hash of the paths, seed {config.split_seed}"
    numbers = Counter(photo.class_name for photo in divided["train"])
    single = [name for name in listing.class_names if numbers[name] == 1]
    if single:
        logging.warning("classes with one photo to train on: %s", listed(single))
        yield counted(len(single), "class") + " with one photo to train on"
    for split in ("val", "test"):
        names = {photo.class_name for photo in divided[split]}
        absent = [name for name in listing.class_names if name not in names]
        if absent:
            logging.warning("classes without a photo in %s: %s", split, listed(absent))
            yield f"{split} holds {len(names)} of the {len(listing.class_names)} classes"


def _left_out(listing: Listing) -> Iterator[str]:
    if listing.others:
        logging.warning("files that are no photos or lie in no class's folder: %s", listed(listing.others))
        yield counted(len(listing.others), "other file") + " left out"
    if listing.empty:
        logging.warning("class folders without photos: %s", listed(listing.empty))
        yield counted(len(listing.empty), "empty class folder") + " left out"


def _suspicious(found: Examination) -> Iterator[str]:
    """Photos that make the numbers of this dataset doubtful."""
    contradictory = found.under_several_classes()
    if contradictory:
        logging.warning(
            "the same photo under several classes: %s", listed([" = ".join(paths) for paths in contradictory])
        )
        yield f"{counted(len(contradictory), 'photo')} under several classes"
    pairs = found.nearly_the_same(across=True)
    if pairs:
        named = [f"{one} ({a}) = {other} ({b})" for (a, one), (b, other) in pairs]
        logging.warning("nearly the same photo in two splits: %s", listed(named, limit=20))
    yield f"{counted(len(pairs), 'pair')} of nearly the same photo in two splits"
