"""The examination of a folder of photos before anything is written: every photo is read once and put into a split."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from jdnet_jax.data import image_check, near_duplicates, photo_file
from jdnet_jax.data.folder_listing import SPLITS, Listing, Photo, read_listing
from jdnet_jax.data.hold_out import stratified_folds, stratified_hold_out
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.local_builder import with_progress
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError

Divided = dict[str, tuple[Photo, ...]]


@dataclasses.dataclass(frozen=True)
class Division:
    """How the splits that a folder lacks are held out of its train.

    Attributes:
        val_fraction: share of each class, in (0, 1).
        test_fraction: share of each class; both shares together are below 1.
        seed: seed of the hash that decides.
        folds: for cross-validation, test is one of this many parts, see `stratified_folds`; 0 for `test_fraction`.
        fold: which part, from 0.
    """

    val_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    folds: int = 0
    fold: int = 0


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """The digests of a photo that was read.

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
    """The result of examining a folder.

    Attributes:
        listing: the folder's files.
        divided: split -> the photos that can be read.
        fingerprints: path of each of these photos -> its fingerprint.
        unreadable: path of each other photo -> the reason.
    """

    listing: Listing
    divided: Divided
    fingerprints: Mapping[str, Fingerprint]
    unreadable: Mapping[str, str]

    def under_several_classes(self) -> list[list[str]]:
        """Paths of identical files that lie under several classes, of which at most one can be right."""
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


@functools.lru_cache(maxsize=1)
def examine(name: str, raw_dir: str, division: Division) -> Examination:
    """Reads all photos of a folder and divides them; cached, so that check and preparation together read them once.

    Args:
        name: the builder config's name, which changes with the folder: a part of the cache's key.
        raw_dir: the folder.
        division: how missing splits are held out.

    Raises:
        UserError: as `fingerprint` and `divide`.
    """
    del name
    listing = read_listing(Path(raw_dir))
    fingerprints, unreadable = fingerprint(listing)
    readable = only_in(fingerprints, listing.photos)
    contents = {path: print_.content for path, print_ in fingerprints.items()}
    divided = divide(readable, contents, division)
    return Examination(listing, divided, fingerprints, unreadable)


def only_in(fingerprints: Container[str], photos: Mapping[str, Sequence[Photo]]) -> dict[str, tuple[Photo, ...]]:
    """The photos of each split whose paths are among `fingerprints`."""
    return {split: tuple(photo for photo in members if photo.path in fingerprints) for split, members in photos.items()}


def fingerprint(listing: Listing) -> tuple[dict[str, Fingerprint], dict[str, str]]:
    """Fingerprints of the readable photos by path, and the reason for each unreadable one; decodes every photo.

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
            f"no photo of {listed(sorted(lost))} in {listing.root} can be read: repair the photos or remove the folder"
        )
    return fingerprints, unreadable


def divide(photos: Mapping[str, Sequence[Photo]], contents: Mapping[str, bytes], division: Division) -> Divided:
    """Holds the splits that `photos` lacks out of its train.

    Class by class, as `stratified_hold_out` does: a class of one photo is in train alone, one of two in train and in
    the first of test and val that is missing. Identical files stay together. Those under several classes, where at most
    one can be right, stay in train and are not counted: a test on them would measure nothing.

    Args:
        photos: split -> photos, of `train` and of the splits that the folder has.
        contents: path -> a value that is equal for identical files.
        division: how missing splits are held out.

    Raises:
        UserError: a split would be empty.
    """
    classes_of = defaultdict(set)
    for photo in photos["train"]:
        classes_of[contents[photo.path]].add(photo.class_name)
    labels = {photo.path: photo.class_name for photo in photos["train"] if len(classes_of[contents[photo.path]]) == 1}
    fractions = {"test": division.test_fraction, "val": division.val_fraction}
    if not division.folds:
        return divide_labelled(photos, labels, contents, fractions, division.seed)
    fold_of = stratified_folds(labels, division.folds, division.seed, contents)
    tested = {path for path, of_photo in fold_of.items() if of_photo == division.fold}
    rest = {path: label for path, label in labels.items() if path not in tested}
    del fractions["test"]
    return divide_labelled(photos, rest, contents, fractions, division.seed, test=tested)


def divide_labelled(
    photos: Mapping[str, Sequence[Photo]],
    labels: Mapping[str, str],
    contents: Mapping[str, bytes],
    fractions: Mapping[str, float],
    seed: int,
    test: Set[str] = frozenset(),
) -> Divided:
    """Holds the splits that `photos` lacks out of its train.

    Args:
        photos: split -> photos, of `train` and of the splits that the folder has.
        labels: path of each photo of train that may be held out -> its class.
        contents: path -> a value that is equal for photos that stay together.
        fractions: `test` and `val`, in the order in which they are held out -> share of each class.
        seed: seed of the hash that decides.
        test: paths already held out as test.

    Raises:
        UserError: a split would be empty.
    """
    missing = {split: fraction for split, fraction in fractions.items() if split not in photos}
    held_out = {"test": test} | stratified_hold_out(labels, missing, seed, contents)
    split_of = {path: split for split, held in held_out.items() for path in held}
    divided: dict[str, list[Photo]] = {split: list(photos.get(split, ())) for split in ("val", "test")} | {"train": []}
    for photo in photos["train"]:
        divided[split_of.get(photo.path, "train")].append(photo)
    for split in SPLITS:
        if not divided[split]:
            raise UserError(
                f"{split} would hold no photos: no class has enough photos to hold one out; add photos to train"
            )
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
