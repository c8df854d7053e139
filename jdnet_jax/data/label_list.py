"""Lists of photos and their classes as annotation services export them beside the photos.

A CSV file, separated by commas, semicolons or tabs, whose first row names a column of file names (`filename`) and one
of classes (`class`); or, instead of the latter, a column of zeros and ones for each class. Rows of one photo, as there
are where each is of a box, must agree. A name may have a folder before it, and may lack its ending.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from absl import logging

from jdnet_jax.data.folder_walk import printable, shown
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

_NAMES = ("filename", "file_name", "file", "image", "image_name", "image_id", "img", "photo", "path", "filepath", "id")
_CLASSES = ("class", "class_name", "classname", "label", "label_name", "category", "category_name")
_SPLITS = ("split", "set", "subset", "partition", "fold")
_SEPARATORS = ",;\t"


class LabelList:
    """The classes of photos as lists of files name them."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._used: dict[str, str] = {}  # name in the lists -> the photo that it belongs to

    def class_of(self, photo: Path, folder: Path) -> str | None:
        """The class of a photo below a folder; None where no list has it.

        Args:
            photo: its path.
            folder: where it lies; the names in lists may begin with this folder's.

        Raises:
            UserError: another photo has the same name in the lists.
        """
        path = PurePosixPath(shown(photo, folder))
        for name in (path, folder.name / path, path.with_suffix(""), folder.name / path.with_suffix("")):
            if str(name) in self._classes:
                if self._used.setdefault(str(name), str(photo)) != str(photo):
                    raise UserError(
                        f"a list names {name}, which may be {self._used[str(name)]} or {photo}: write their folders "
                        "before the names in it"
                    )
                return self._classes[str(name)]
        return None

    def not_asked_for(self) -> list[str]:
        """The listed names that `class_of` never used: there is no such photo."""
        return sorted(self._classes.keys() - self._used.keys())

    def add(self, file: Path) -> None:
        """Adds a file; a file that is not a list of labels adds nothing.

        Raises:
            UserError: it cannot be read, has a row without a class, or gives a photo two of them.
        """
        text = user_files.read_text(file)
        try:
            rows = _rows(text)
            for column in sorted({*rows[0]} & {*_SPLITS}):
                logging.warning(
                    "%s has a column %s, which is not read: folders train, val and test divide", file, column
                )
            entries = [(number, *_parsed(rows[0], row)) for number, row in enumerate(rows[1:], start=2) if any(row)]
        except (csv.Error, ValueError) as error:
            raise UserError(f"{file}: {error}") from error
        for number, name, of_class in entries:
            if self._classes.setdefault(name, of_class) != of_class:
                raise UserError(
                    f"{file}, row {number}: {name} is in the classes {self._classes[name]} and {of_class}; each photo "
                    "must be in one"
                )

    def __bool__(self) -> bool:
        return bool(self._classes)


def read(files: Iterable[Path]) -> LabelList:
    """The label lists among some files, recognised by the suffix `.csv` or `.tsv` and the first row."""
    labels = LabelList()
    for file in files:
        if file.suffix.lower() in (".csv", ".tsv"):
            labels.add(file)
    return labels


def _rows(text: str) -> list[list[str]]:
    """The rows of a list, the first with the column names in lower case; none for another file."""
    for separator in _SEPARATORS:
        reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        header = [cell.strip() for cell in next(reader, [])]
        names = [cell.lower() for cell in header]
        if any(name in names for name in _NAMES) and len(header) > 1:
            if any(name in names for name in _CLASSES):
                return [names, *reader]
            rows = [[cell.strip() for cell in row] for row in reader]
            if all(_is_one_hot(names, row) for row in rows if any(row)):
                return [header, *rows]
    return [[]]


def _is_one_hot(names: Sequence[str], row: Sequence[str]) -> bool:
    column = _column(names, _NAMES)
    return len(row) == len(names) and all(cell in ("0", "1") for i, cell in enumerate(row) if i != column)


def _parsed(header: Sequence[str], row: Sequence[str]) -> tuple[str, str]:
    """A photo's name and its class."""
    names = [name.lower() for name in header]
    at = _column(names, _NAMES)
    if len(row) < len(header):
        raise ValueError(f"a row of {len(row)} columns where {len(header)} are named: {row}")
    if any(name in names for name in _CLASSES):
        of_class = row[_column(names, _CLASSES)]
    else:
        ones = [name for i, (name, cell) in enumerate(zip(header, row, strict=False)) if i != at and cell == "1"]
        if len(ones) != 1:
            raise ValueError(f"{row[at]} is in {len(ones)} classes; each photo must be in one")
        of_class = ones[0]
    name, of_class = printable(row[at].strip()), " ".join(printable(of_class).split())
    if not name or not of_class:
        raise ValueError(f"a row without a name or a class: {row}")
    return str(PurePosixPath(name.replace("\\", "/"))), of_class


def _column(names: Sequence[str], wanted: Sequence[str]) -> int:
    return next(names.index(name) for name in wanted if name in names)
