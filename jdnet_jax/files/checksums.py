"""SHA-256 of every file in a folder, kept in the folder: `sha256sum --check SHA256SUMS` verifies it by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NAME = "SHA256SUMS"


def write(directory: Path) -> None:
    """Writes the list of all files that are in the folder now.

    Raises:
        OSError: a file could not be read, or the list not be written.
    """
    names = _names(directory)
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda name: _digest(directory / name), names)
        text = _text(dict(zip(names, digests, strict=True)))
    (directory / NAME).write_text(text, encoding="utf-8")


def damage(directory: Path, where: Callable[[str], bool] | None = None) -> str | None:
    """What is wrong with the folder; None where every file is as it was listed.

    Args:
        directory: a folder that `write` has listed.
        where: which files to read, by their path inside the folder; None for all. The others must only be there.

    Returns:
        a phrase with the first file that is missing, was not listed, or has changed.
    """
    try:
        text = (directory / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return f"{NAME} is missing or cannot be read"
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
    if text != _text(listed):
        return f"{NAME} is damaged"
    present = set(_names(directory))
    for name in sorted(listed.keys() ^ present):
        return f"{name} is missing" if name in listed else f"{name} is not in {NAME}"
    names = [name for name in listed if where is None or where(name)]
    with ThreadPoolExecutor() as pool:
        changed = pool.map(lambda name: _change(directory / name, listed[name]), names)
        return next((f"{name} {change}" for name, change in zip(names, changed, strict=True) if change), None)


def _names(directory: Path) -> list[str]:
    paths = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return sorted(name for name in paths if name != NAME)


def _text(digests: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _change(path: Path, digest: str) -> str | None:
    try:
        return None if _digest(path) == digest else "has changed"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
