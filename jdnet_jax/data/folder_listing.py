"""The photos below a folder whose sub-folders are the classes.

    root/<class>/*.jpg                        to be divided into train, val and test
    root/{train,val,test}/<class>/*.jpg       divided already; all but `train` may be missing

The second layout is told by a folder `train` that holds folders; `training`, `valid`, `validation` and `testing` will
do as names, in any case. Photos in folders below a class's own, as cameras and download tools make them, belong to that
class.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError

SPLITS = ("train", "val", "test")

_SPLIT_NAMES = {split: split for split in SPLITS}
_SPLIT_NAMES |= {"training": "train", "valid": "val", "validation": "val", "testing": "test"}

# Whether one can be read is found out later; the last five cannot.
_SUFFIXES = (".jpg .jpeg .jpe .jfif .png .webp .gif .bmp " + ".heic .heif .avif .tif .tiff").split()
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}  # of file managers; what begins with a dot is hidden anyway

_PROBE = 4096  # bytes


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo of the folder.

    Attributes:
        path: below the root, with slashes, in Unicode's composed form, so that it is the same on every machine.
        class_name: name of its class.
        file: where it is.
    """

    path: str
    class_name: str
    file: Path


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        root: the folder.
        photos: by split, in the order of their paths; one undivided folder is all `train`.
        class_names: of the classes that have photos, sorted.
        empty: folders of classes without photos.
        others: files that are no photos by their names, or lie outside the classes' folders.
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
    if not root.is_dir():
        raise UserError(f"dataset.data_dir={str(root)!r} is not a folder; name the one that holds a folder a class")
    photos: dict[str, tuple[Photo, ...]] = {}
    empty: list[str] = []
    others = [shown(file, root) for file in _files(root)]
    for split, folder in _split_folders(root).items():
        found: list[Photo] = []
        if folder != root:
            others += [shown(file, root) for file in _files(folder)]
        for name, class_folder in class_folders(folder).items():
            before = len(found)
            for file in files_below(class_folder):
                if is_photo_name(file):
                    found.append(Photo(shown(file, root), name, file))
                else:
                    others.append(shown(file, root))
            if len(found) == before:
                empty.append(shown(class_folder, root))
        photos[split] = tuple(sorted(found, key=lambda photo: photo.path))
        _check_distinct(photos[split])
    class_names = tuple(sorted({photo.class_name for photo in photos["train"]}))
    if len(class_names) < 2:
        raise UserError(
            f"dataset.data_dir={str(root)!r} has photos of {len(class_names)} classes ({listed(class_names)}); it must "
            "hold a folder for each of two classes or more, or such folders below train, val and test"
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
    """Tells a changed folder from an unchanged one: 12 hexadecimal digits.

    Of the paths, sizes and the first, middle and last 4 KB of each photo, so that it does not take the time to read
    them all; a copy of the folder has the same digest whenever it was made.
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
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            parts = [size.to_bytes(8, "big")]
            for begin in (0, size // 2, max(0, size - _PROBE)):
                stream.seek(begin)
                parts.append(stream.read(_PROBE))
            return b"".join(parts)
    except OSError:
        return b"unreadable"


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of train, val and test as far as they exist, or the root itself as train."""
    found: dict[str, list[Path]] = {}
    classes = []
    for folder in _folders(root):
        split = _SPLIT_NAMES.get(folder.name.lower())
        if split and _folders(folder):
            found.setdefault(split, []).append(folder)
        elif not split or _files(folder):
            classes.append(folder.name)
    if not found:
        return {"train": root}
    if "train" not in found:
        raise UserError(f"{root} has {listed(sorted(found))} with folders inside, but no such train: name it so")
    for split, folders in found.items():
        if len(folders) > 1:
            raise UserError(
                f"{root} has {listed([folder.name for folder in folders])}, which are all {split}: keep one"
            )
    if classes:
        raise UserError(
            f"{root} has {listed(classes)} beside train: only val and test, with a folder a class inside, may be there"
        )
    return {split: found[split][0] for split in SPLITS if split in found}


def class_folders(folder: Path) -> dict[str, Path]:
    """The classes' folders by the classes' names, whose blanks are single: TFDS's file of names strips them.

    Raises:
        UserError: two names cannot be told apart, or the folder cannot be listed.
    """
    named: dict[str, Path] = {}
    for class_folder in _folders(folder):
        name = " ".join(_printable(class_folder.name).split())
        if name in named:
            raise UserError(
                f"{named[name]} and {class_folder} are one class by name, up to blanks and accents: rename one"
            )
        named[name] = class_folder
    return named


def _check_distinct(photos: tuple[Photo, ...]) -> None:
    for one, other in itertools.pairwise(photos):
        if one.path == other.path:
            raise UserError(f"two files are {one.path} by name, up to how accents are written: rename one")


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if not entry.is_dir()]


def is_photo_name(file: Path) -> bool:
    """Whether a file is a photo by its name."""
    return file.suffix.lower() in _SUFFIXES


def files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted folder by folder; hidden ones and file managers' clutter are left out.

    Raises:
        UserError: a folder cannot be listed.
    """
    for entry in _entries(folder):
        if not entry.is_dir():
            yield entry
        elif not entry.is_symlink():  # which may lead round in a circle
            yield from files_below(entry)


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be listed ({error.strerror}): make it readable") from error
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in _CLUTTER]


def shown(file: Path, root: Path) -> str:
    """A file's path below a folder, with slashes, as it can be printed and written whatever bytes are in it."""
    return _printable(PurePath(file.relative_to(root)).as_posix())


def _printable(name: str) -> str:
    """The name in composed Unicode; bytes that are none become replacement characters."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))
