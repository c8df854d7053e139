"""The photos below a folder whose sub-folders are the classes.

    root/<class>/*.jpg                        to be divided into train, val and test
    root/{train,val,test}/<class>/*.jpg       divided already; all but `train` may be missing
    root/{train,val,test}/*.jpg               likewise, with a list of the classes beside them (see `label_list`)
    root/*.jpg                                with such a list, to be divided

A divided layout has a folder `train` with folders in it, or folders of such names that alone hold photos;
`training`, `valid`, `validation`, `testing` and the like will do as names, in any case. Photos in folders below a
class's folder, as cameras and download tools make them, belong to that class.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from absl import logging

from jdnet_jax.data import label_list, photo_file
from jdnet_jax.data.folder_walk import files, files_below, folders, is_photo_name, printable, shown
from jdnet_jax.data.label_list import LabelList
from jdnet_jax.data.split_names import SPLITS, held_out_among, no_classes, resembled, split_of
from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError

_PROBE = 4096  # bytes


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo of the folder.

    Attributes:
        path: path below the root, with slashes, in Unicode's composed form: the same on every machine.
        class_name: name of its class.
        file: the file on this machine.
    """

    path: str
    class_name: str
    file: Path


@dataclasses.dataclass(frozen=True)
class Listing:
    """The listing of a folder.

    Attributes:
        root: the folder.
        photos: split -> photos in the order of their paths; an undivided folder is all `train`.
        class_names: names of the classes that have photos, sorted.
        empty: folders of classes without photos.
        others: files whose names are not photos', or that lie outside the classes' folders.
    """

    root: Path
    photos: Mapping[str, tuple[Photo, ...]]
    class_names: tuple[str, ...]
    empty: tuple[str, ...]
    others: tuple[str, ...]


def read_listing(root: Path) -> Listing:
    """Lists the photos of a folder, opening none.

    Raises:
        UserError: the folder is not there, is not laid out like this, or has fewer than two classes; a class of `val`
            or `test` has no photos in `train`; two names cannot be told apart.
    """
    if not os.path.isdir(root):
        raise UserError(
            f"dataset.data_dir={str(root)!r} is not a folder; name the folder that holds one folder per class"
        )
    photos: dict[str, tuple[Photo, ...]] = {}
    empty: list[str] = []
    others: list[str] = []
    splits = _split_folders(root)
    beside = LabelList()  # the root's lists of any split; `train.csv` is of one
    if any(map(holds_photos_alone, splits.values())):
        beside = label_list.read(file for file in files(root) if root in splits.values() or not resembled(file.stem))
    for split, folder in splits.items():
        inside = {file: shown(file, root) for file in files(folder)}
        labelled: list[Photo] = []
        if holds_photos_alone(folder):
            labels = beside
            if folder != root:
                labels = label_list.read([*inside, *(file for file in files(root) if resembled(file.stem) == split)])
            for file, path in inside.items():
                name = is_photo_name(file) and (labels.class_of(file, folder) or beside.class_of(file, folder))
                if name:
                    labelled.append(Photo(path, name, file))
                else:
                    others.append(path)
            if not labelled and folder != root:
                raise UserError(
                    f"{folder} holds photos and no list of their classes: put the photos of each class in a folder of "
                    f"its own ({folder.name}/<class>/*.jpg), or a CSV file with the columns filename and class beside "
                    "them"
                )
            if folder != root:
                others += _not_there(labels)
        else:
            others += inside.values()
            for name, class_folder in class_folders(folder).items():
                before = len(labelled)
                for file in files_below(class_folder):
                    if is_photo_name(file):
                        labelled.append(Photo(shown(file, root), name, file))
                    else:
                        others.append(shown(file, root))
                if len(labelled) == before:
                    empty.append(shown(class_folder, root))
            _check_classes(folder, {photo.class_name for photo in labelled})
        photos[split] = tuple(sorted(labelled, key=lambda photo: photo.path))
        _check_distinct(photos[split])
    others += _not_there(beside)
    if root not in splits.values():
        others += [shown(file, root) for file in files(root)]
    class_names = tuple(sorted({photo.class_name for photo in photos["train"]}))
    if len(class_names) < 2:
        raise UserError(
            f"dataset.data_dir={str(root)!r} has photos of {len(class_names)} classes ({listed(class_names)}); it must "
            "hold a folder for each of two classes or more, or such folders below train, val and test, or beside its "
            "photos a CSV file with the columns filename and class"
        )
    for split, members in photos.items():
        unknown = sorted({photo.class_name for photo in members}.difference(class_names))
        if unknown:
            raise UserError(
                f"{root / split} has photos of {listed(unknown)}, of which {root / 'train'} has none: a class must be "
                "in train to be learned; move some there or remove the folder"
            )
    return Listing(root, photos, class_names, tuple(sorted(empty)), tuple(sorted(others)))


def digest(listing: Listing) -> str:
    """A digest that changes when the folder changes: 12 hexadecimal digits.

    It covers the paths, the sizes and the first, middle and last 4 KB of each photo, to save the time of reading them
    all. A copy of the folder has the same digest.
    """
    sha = hashlib.sha256()
    for split, photos in listing.photos.items():
        for photo in photos:
            sha.update(repr((split, photo.path, photo.class_name)).encode())
            sha.update(probe(photo.file))
    sha.update(repr((listing.empty, listing.others)).encode())  # the protocol tells of them
    return sha.hexdigest()[:12]


def probe(file: Path) -> bytes:
    """Size and first, middle and last 4 KB of a file, or a word for one that cannot be read."""
    try:
        if not file.is_file():  # opening a pipe would wait
            return b"unreadable"
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            parts = [size.to_bytes(8, "big")]
            for begin in (0, size // 2, max(0, size - _PROBE)):
                stream.seek(begin)
                parts.append(stream.read(_PROBE))
    except OSError:
        return b"unreadable"
    if photo_file.may_be_heif(parts[1]):
        parts.append(b"read" if photo_file.reads_heif() else b"left out")
    return b"".join(parts)


def _split_folders(root: Path) -> dict[str, Path]:
    """The existing folders of train, val and test, or the root as train if there are none."""
    named: dict[str, list[Path]] = {}
    classes = []
    for folder in folders(root):
        split = split_of(folder.name)
        if split and folders(folder):
            named.setdefault(split, []).append(folder)
        elif not split or files(folder):
            classes.append(folder)
    inside = "folders"
    if not named:
        if not all(split_of(folder.name) for folder in classes if _holds_photos(folder)):
            return {"train": root}
        for folder in filter(holds_photos_alone, classes):
            if split := split_of(folder.name):
                named.setdefault(split, []).append(folder)
        if not named:
            return {"train": root}
        classes, inside = [], "photos"
    by_split = {split: members[0] for split, members in named.items()}
    if "train" not in named:
        raise UserError(
            f"{root} has {listed(sorted(by_split))} with {inside} inside, but no folder train: rename "
            "the folder with the training photos to train"
        )
    for split, members in named.items():
        if len(members) > 1:
            raise UserError(
                f"{root} has {listed([folder.name for folder in members])}, which all mean {split}: keep one"
            )
    if classes:
        raise UserError(
            f"{root} has {listed([folder.name for folder in classes])} beside train: only val and test may be there, "
            "each with one folder per class"
        )
    return {split: by_split[split] for split in SPLITS if split in by_split}


def _check_classes(root: Path, names: Collection[str]) -> None:
    if (reason := no_classes(names)) is not None:
        raise UserError(f"{root} holds {reason}")
    if (name := held_out_among(names)) is not None:
        raise UserError(
            f"{root / name} holds photos and lies beside the folders of classes: if it is a split, give it one folder "
            "per class and put it beside a folder train; if it is a class, rename it"
        )


def holds_photos_alone(folder: Path) -> bool:
    """Whether a folder holds photos, and no folders with photos that could be classes."""
    return any(map(is_photo_name, files(folder))) and not any(map(_holds_photos, folders(folder)))


def _holds_photos(folder: Path) -> bool:
    return any(map(is_photo_name, files_below(folder)))


def _not_there(labels: LabelList) -> list[str]:
    return [f"{name} (listed, but not there)" for name in labels.not_asked_for()]


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of the classes by class name, with single blanks in names because TFDS's file of names strips others.

    Raises:
        UserError: two names cannot be told apart, or the folder cannot be listed.
    """
    named: dict[str, Path] = {}
    for class_folder in folders(folder):
        name = printable(" ".join(class_folder.name.split()))
        if name in named:
            raise UserError(
                f"{named[name]} and {class_folder} have the same class name, apart from spaces and the encoding of "
                "accents: rename one"
            )
        named[name] = class_folder
    return named


def labelled_files(folder: Path) -> dict[str, list[Path]]:
    """The photos of each class in a folder that is not divided; a class's folder may hold none.

    Raises:
        UserError: a folder or list cannot be read, or two names cannot be told apart.
    """
    if not holds_photos_alone(folder):
        named = class_folders(folder)
        return {name: [file for file in files_below(inside) if is_photo_name(file)] for name, inside in named.items()}
    labels = label_list.read(files(folder))
    classes: dict[str, list[Path]] = {}
    for file in filter(is_photo_name, files(folder)):
        if name := labels.class_of(file, folder):
            classes.setdefault(name, []).append(file)
        elif labels:
            logging.warning("%s is not in any list of classes: skipped", file)
    return classes


def _check_distinct(photos: tuple[Photo, ...]) -> None:
    for one, other in itertools.pairwise(photos):
        if one.path == other.path:
            raise UserError(f"two files have the name {one.path}, apart from the encoding of accents: rename one")
