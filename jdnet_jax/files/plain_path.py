"""Folders whose names hold `[`, `*` or `?`, which libraries take for patterns that match other folders or none."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from etils import epath


class LiteralPath(type(epath.Path("/"))):  # type: ignore[misc]
    """A path as Orbax takes it, in which only what `glob` is asked for is a pattern, not the folder's own name."""

    def glob(self, pattern: str) -> Iterator[LiteralPath]:
        """The paths in this folder that match."""
        for found in glob.glob(os.path.join(glob.escape(os.fspath(self)), pattern)):
            yield self._new(found)


@contextlib.contextmanager
def without_patterns(folder: Path) -> Iterator[Path]:
    """The folder itself, or a link to it whose name is no pattern, for TensorFlow."""
    folder = folder.absolute()
    if not glob.has_magic(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        link = Path(place) / "folder"
        link.symlink_to(folder, target_is_directory=True)
        yield link
