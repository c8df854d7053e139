"""Folders whose names libraries would misread as patterns.

`[`, `*`, `?` and `\\` are parts of patterns, which match other folders or none; to TensorStore `\\` also stands between
folders, and a name must be UTF-8.
"""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from jdnet_jax.process.errors import UserError


class LiteralPath(type(epath.Path("/"))):  # type: ignore[misc]
    """A path for Orbax whose `glob` takes only its argument as a pattern, not the folder's name."""

    def glob(self, pattern: str) -> Iterator[LiteralPath]:
        """The paths in this folder that match."""
        for path in glob.glob(os.path.join(glob.escape(os.fspath(self)), pattern)):
            yield self._new(path)


def check(folder: str | os.PathLike[str]) -> None:
    """Checks that Orbax can use a folder for checkpoints.

    Raises:
        UserError: its absolute path holds a backslash, or bytes that are no UTF-8.
    """
    path = os.path.abspath(folder)
    what = "a backslash" if "\\" in path else "bytes that are no UTF-8" if not _is_utf8(path) else ""
    if what:
        raise UserError(f"{path}: checkpoints cannot lie in a folder with {what} in its path: choose or make another")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def without_patterns(folder: Path) -> Iterator[Path]:
    """The folder itself, or a link to it whose name is no pattern, for TensorFlow."""
    folder = folder.absolute()
    if not glob.has_magic(str(folder)) and "\\" not in str(folder) and _is_utf8(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        link = Path(place) / "folder"
        link.symlink_to(folder, target_is_directory=True)
        yield link
