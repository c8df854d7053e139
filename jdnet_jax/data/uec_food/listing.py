"""Reads the layout of UECFood: classes, photos, lists of the folds, boxes."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jdnet_jax.data.file_tree import FileTree, open_tree
from jdnet_jax.data.wording import listed
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

NUM_FOLDS = 5


class Photo(NamedTuple):
    """A file: its class, 0 for the folder 1, and its number."""

    label: int
    number: int

    def __str__(self) -> str:
        return f"{self.label + 1}/{self.number}.jpg"


class Box(NamedTuple):
    """Corners in pixels; columns x1 to x2 - 1 and rows y1 to y2 - 1 are inside."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclasses.dataclass(frozen=True)
class Listing:
    """The folder of the photos and what its `category.txt` and `multiple_food.txt` say.

    Attributes:
        tree: the files.
        class_names: class names in the order of the class numbers, no two equal.
        sizes: photo -> size of its file in bytes.
        of_several_foods: number of photos that `multiple_food.txt` lists; None where that file is not there.
    """

    tree: FileTree
    class_names: tuple[str, ...]
    sizes: Mapping[Photo, int]
    of_several_foods: int | None


def open_photos(path: Path, num_classes: int) -> Listing:
    """Finds the folder of the photos at or below `path`, or in the archive that it is, and reads its listing.

    Raises:
        UserError: it is not there, not whole, or another dataset.
    """
    folder = f"UECFOOD{num_classes}"
    tree = _open(path)
    for above in ("", f"{folder}/", f"*/{folder}/"):
        files = list(tree.files(f"{above}category.txt"))
        if files:
            tree = tree.below(str(Path(files[0]).parent))
            break
    else:
        raise UserError(
            f"dataset.data_dir={str(path)!r} is not UECFood-{num_classes}: there is no category.txt in it, nor in a "
            f"folder {folder} in it; name that folder, one that has it, or dataset{num_classes}.zip"
        )
    class_names = _read_classes(tree, num_classes)
    sizes = {}
    for name, size in tree.files("*/*.jpg").items():
        match = re.fullmatch(r"([0-9]+)/([0-9]+)\.jpg", name)
        if match and 1 <= int(match[1]) <= num_classes:
            sizes[Photo(int(match[1]) - 1, int(match[2]))] = size
    empty = sorted(set(range(num_classes)) - {photo.label for photo in sizes})
    if empty:
        named = listed([str(label + 1) for label in empty])
        raise UserError(f"{tree.root} has no photos in {len(empty)} of its class folders ({named}); unpack it again")
    several = len(list(_rows(tree, "multiple_food.txt"))) if tree.files("multiple_food.txt") else None
    return Listing(tree, class_names, sizes, several)


def find_lists(path: Path, num_classes: int) -> FileTree | None:
    """The lists of the folds beside or inside the photos at `path`, unpacked or as `uecfood_split.zip`."""
    folder = f"uecfood{num_classes}_split"
    path = path.absolute()
    photos = [path, path / f"UECFOOD{num_classes}"]
    if path.is_dir():
        photos += sorted(path.glob(f"*/UECFOOD{num_classes}"))
    for place in dict.fromkeys(place for root in photos for place in (root, root.parent)):
        for candidate in (place / folder, place / "uecfood_split" / folder):
            if candidate.is_dir():
                return _open(candidate)
        if (place / "uecfood_split.zip").is_file():
            return open_lists(place / "uecfood_split.zip", num_classes)
    return None


def open_lists(archive: Path, num_classes: int) -> FileTree:
    """The lists of the folds inside `uecfood_split.zip`.

    Raises:
        UserError: they are not in it.
    """
    folder = f"uecfood{num_classes}_split"
    tree = _open(archive)
    for above in (folder, f"*/{folder}"):
        files = list(tree.files(f"{above}/val0.txt"))
        if files:
            return tree.below(str(Path(files[0]).parent))
    raise UserError(f"{archive} holds no {folder}/val0.txt; download uecfood_split.zip again")


def read_lists(tree: FileTree, num_classes: int) -> tuple[frozenset[Photo], ...]:
    """The photos that each of `val0.txt` to `val4.txt` lists; a line that is there twice counts once.

    Raises:
        UserError: a file is missing or empty, or a line malformed.
    """
    line_format = re.compile(rf"(?:UECFOOD{num_classes}/)?([0-9]+)/([0-9]+)\.jpg")
    lists = []
    for fold in range(NUM_FOLDS):
        photos = set()
        name = f"val{fold}.txt"
        for number, line in enumerate(_text(tree, name).splitlines(), start=1):
            if not line.strip():
                continue
            match = line_format.fullmatch(line.strip())
            if not match or not 1 <= int(match[1]) <= num_classes:
                raise UserError(
                    f"{tree.root / name}, line {number}: expected 'UECFOOD{num_classes}/<class>/<number>.jpg' with a "
                    f"class from 1 to {num_classes}, got {line.strip()!r}"
                )
            photos.add(Photo(int(match[1]) - 1, int(match[2])))
        if not photos:
            raise UserError(f"{tree.root / name} lists no photos; download uecfood_split.zip again")
        lists.append(frozenset(photos))
    return tuple(lists)


def read_boxes(tree: FileTree, num_classes: int) -> dict[Photo, list[Box]]:
    """The boxes of each photo as `bb_info.txt` of its class has them; they may exceed the picture or be empty.

    Raises:
        UserError: a class folder has no such file, or a row is malformed.
    """
    boxes = defaultdict(list)
    for label in range(num_classes):
        name = f"{label + 1}/bb_info.txt"
        for number, row in _rows(tree, name):
            try:
                photo, x1, y1, x2, y2 = map(int, row.split())
            except ValueError:
                raise UserError(
                    f"{tree.root / name}, line {number}: expected 'img x1 y1 x2 y2' in integers, got {row!r}"
                ) from None
            boxes[Photo(label, photo)].append(Box(x1, y1, x2, y2))
    return dict(boxes)


def digest(listing: Listing, lists: FileTree | None) -> str:
    """A digest of the texts and the photos' sizes, which notices changed files without reading the photos.

    The same files packed and unpacked have the same digest.
    """
    sha = hashlib.sha256(repr((listing.class_names, listing.of_several_foods)).encode())
    sha.update(repr(sorted(listing.sizes.items())).encode())
    for name in listing.tree.files("*/bb_info.txt"):
        sha.update(repr((name, _text(listing.tree, name))).encode())
    if lists:
        for fold in range(NUM_FOLDS):
            sha.update(repr(_text(lists, f"val{fold}.txt")).encode())
    return sha.hexdigest()[:12]


def _open(path: Path) -> FileTree:
    try:
        return open_tree(path)
    except zipfile.BadZipFile:
        raise UserError(
            f"{path} is neither a folder nor a complete zip archive; delete it and download it again"
        ) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be opened ({error.strerror}); name a folder or an archive as dataset.data_dir"
        ) from error


def _read_classes(tree: FileTree, num_classes: int) -> tuple[str, ...]:
    names = {}
    for number, row in _rows(tree, "category.txt"):
        try:
            label, name = row.split(maxsplit=1)
            names[int(label) - 1] = name.strip()
        except ValueError:
            raise UserError(f"{tree.root}/category.txt, line {number}: expected 'id<TAB>name', got {row!r}") from None
    if sorted(names) != list(range(num_classes)):
        raise UserError(
            f"{tree.root}/category.txt must number the classes 1 to {num_classes}; it has {len(names)} numbers from "
            f"{min(names, default=-1) + 1} to {max(names, default=-1) + 1}: is it another dataset?"
        )
    repeated = {name for name, count in Counter(names.values()).items() if count > 1}
    return tuple(
        f"{names[label]} ({label + 1})" if names[label] in repeated else names[label] for label in range(num_classes)
    )


def _rows(tree: FileTree, name: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, without blank ones and the header, which begins with no digit."""
    for number, line in enumerate(_text(tree, name).splitlines(), start=1):
        line = line.strip()
        if line and not (number == 1 and not line[0].isdigit()):
            yield number, line


def _text(tree: FileTree, name: str) -> str:
    try:
        return user_files.text_of(tree.read(name), errors="replace")
    except OSError as error:
        raise UserError(f"{tree.root} lacks {name} ({error.strerror}); get an intact copy of the dataset") from error
