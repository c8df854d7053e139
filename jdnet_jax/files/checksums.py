"""Checksums (SHA-256) of files, kept beside them: `sha256sum --check SHA256SUMS` verifies it by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jdnet_jax.files import atomic

NAME = "SHA256SUMS"


def write(
    directory: Path,
    names: Iterable[str] | None = None,
    *,
    coming: Mapping[str, bytes] | None = None,
    list_name: str = NAME,
) -> None:
    """Writes the list of files of a folder.

    Args:
        directory: the folder.
        names: paths inside it; None for all files that are in it now.
        coming: path inside the folder -> content of files that will be written after the list.
        list_name: name of the list, which lies in the folder.

    Raises:
        OSError: a file could not be read.
        UserError: the list could not be written.
    """
    listed = sorted(_names(directory, list_name) if names is None else names)
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(listed, pool.map(lambda name: _digest(directory / name), listed), strict=True))
    digests |= {name: hashlib.sha256(content).hexdigest() for name, content in (coming or {}).items()}
    atomic.write_text(directory / list_name, _text(digests))


def damage(
    directory: Path, where: Callable[[str], bool] | None = None, *, exact: bool = True, list_name: str = NAME
) -> str | None:
    """The damage of a folder in words; None if every file has its listed checksum.

    Args:
        directory: a folder that `write` has listed.
        where: which files to read, by their path inside the folder; None for all. The others must only be there.
        exact: whether a file that is not listed counts.
        list_name: name of the list.

    Returns:
        a phrase that begins with the path of the first file that is missing, was not listed, or has changed.
    """
    try:
        text = (directory / list_name).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return f"{list_name} is missing or cannot be read"
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}
    if not listed or text != _text(listed) or not all(map(_is_inside, listed)):
        return f"{list_name} is damaged"
    for name in sorted(listed):
        if not (directory / name).is_file():
            return f"{name} is missing"
    for name in sorted(set(_names(directory, list_name)) - listed.keys()) if exact else ():
        return f"{name} is not in {list_name}"
    names = [name for name in listed if where is None or where(name)]
    with ThreadPoolExecutor() as pool:
        changed = pool.map(lambda name: _change(directory / name, listed[name]), names)
        return next((f"{name} {change}" for name, change in zip(names, changed, strict=True) if change), None)


def _names(directory: Path, list_name: str) -> list[str]:
    paths = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return sorted(name for name in paths if name != list_name)


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def _text(digests: Mapping[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _change(path: Path, digest: str) -> str | None:
    try:
        return None if _digest(path) == digest else "has changed"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
