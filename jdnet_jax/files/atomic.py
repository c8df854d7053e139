"""Atomic writing of files and folders: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from jdnet_jax.process.errors import UserError

_LONGEST_NAME = 255  # bytes, of a file or folder, on common file systems


def bounded(stem: str, suffix: str = "") -> str:
    """The name `stem + suffix`; if it is too long for file systems, the stem's beginning and a digest of all of it."""
    room = _LONGEST_NAME - len(os.fsencode(suffix))
    name = os.fsencode(stem)
    if len(name) <= room:
        return stem + suffix
    digest = hashlib.sha256(name).hexdigest()[:12]
    # A character that is cut in two is left out.
    beginning = name[: room - len(digest) - 1].decode("utf-8", errors="ignore")
    return f"{beginning}-{digest}{suffix}"


def aside(path: Path, suffix: str = ".new") -> Path:
    """The temporary path of a file or folder before it gets its name: beside it, the same every time."""
    return path.with_name(bounded(f".{path.name}", suffix))


def write_text(path: Path, text: str) -> None:
    """Replaces the content of `path`; a reader sees the old text or the new one, never a part.

    Raises:
        UserError: it could not be written; the old file is untouched.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the content of `path`, as `write_text` does.

    Raises:
        UserError: it could not be written; the old file is untouched.
    """
    new = aside(path)
    try:
        with created(new) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this as well
            new.unlink(missing_ok=True)
        raise UserError(
            f"{path} could not be written ({error.strerror or error}): make room or choose another folder"
        ) from error


def created(path: Path) -> BinaryIO:
    """A new file that replaces whatever has its name, such as a link, which is not followed."""
    try:
        return open(path, "xb")
    except FileExistsError:
        path.unlink()
        return open(path, "xb")


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty temporary folder to fill, then puts it in the place of `folder`.

    If the code inside raises an exception, an earlier `folder` stays unchanged and nothing new is left.

    Raises:
        OSError: the folder aside cannot be made, or not be moved.
    """
    folder = folder.absolute()
    new, old = aside(folder), aside(folder, ".old")
    try:
        _put_back(old, folder)  # after a kill between the two moves below
        for path in (new, old):
            if path.is_symlink() or path.is_file():
                path.unlink()
            shutil.rmtree(path, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this as well
            _put_back(old, folder)
        shutil.rmtree(new, ignore_errors=True)


def _put_back(old: Path, folder: Path) -> None:
    if old.exists() and not folder.exists():
        old.rename(folder)
