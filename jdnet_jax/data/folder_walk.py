"""Walks over folders that people made: files of operating systems are skipped, and links are followed."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePath

from absl import logging

from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable as on_one_line

# Whether one can be read is found out later.
_SUFFIXES = frozenset(
    f".{ending}"
    for endings in (
        "jpg jpeg jpe jfif mpo png apng webp gif bmp dib tif tiff",
        "jp2 j2k jpf jpx jpc j2c heic heics heif heifs hif avif avifs",
    )
    for ending in endings.split()
)

# Bins, thumbnails, indices and notes of systems, disk stations and programs, in any case.
_SYSTEM = re.compile(
    r"""
    \..*                                                                          # hidden, such as .Trash-1000
    | @(eadir|recycle|recently-snapshot|__thumb|tmp|sharebin|syno.*) | \#(recycle|snapshot|tmp)  # Synology, QNAP
    | .*@syno\w*                                                                  # beside each file, Synology
    | \$(recycle\.bin|winreagent|sysreset|av_\w+|getcurrent) | recycle[rd](\.bin)? | recycle\.bin
    | system\ volume\ information | found\.\d+ | msocache | config\.msi           # Windows
    | (eh)?thumbs(_\w+)?\.db.* | desktop\.ini | autorun\.inf | folder\.ini
    | __macosx | icon\r | network\ trash\ folder | temporary\ items | thevolumesettingsfolder | resource\.frk  # macOS
    | ~snapshot | synofile_thumb.* | _gsdata_ | wpsystem | \$(extend|windows\.~\w+) | ipod\ photo\ cache
    | .*\.(photoslibrary|aplibrary|lrdata|backupdb) | _thumbs | thumbnails       # of programs, with smaller copies
    | lost\+found | aquota\.(user|group) | __pycache__ | picasa\.ini | zbthumbnail\.info | ~\$.*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def is_photo_name(file: Path) -> bool:
    """Whether a file's name is that of a photo."""
    return file.suffix.lower() in _SUFFIXES


def is_system_name(name: str) -> bool:
    """Whether a file or folder name belongs to an operating system or a program rather than to the user."""
    return _SYSTEM.fullmatch(name) is not None


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, including links to folders, sorted.

    Raises:
        UserError: the folder cannot be listed, or what must be a link to a folder leads nowhere.
    """
    entries = []
    for entry in _entries(folder):
        if os.path.isdir(entry):
            entries.append(entry)
        elif _leads_nowhere(entry) and not entry.suffix:
            raise UserError(f"the link {entry} leads nowhere ({os.readlink(entry)}): repair or remove it")
    return entries


def files(folder: Path) -> list[Path]:
    """The entries of a folder that are not folders, sorted."""
    return [entry for entry in _entries(folder) if not os.path.isdir(entry)]


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, sorted folder by folder.

    Links to folders are followed. A folder that is reached in several ways counts once, at its real place if that is
    below `folder` too; so links may form circles.

    Raises:
        UserError: a folder cannot be listed.
    """
    real = folder.resolve()
    seen = {_identity(above) for above in real.parents}
    below: list[Path] = []
    links: list[Path] = []
    waiting = [folder]
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        identity = _identity(here)
        if identity in seen:
            continue
        seen.add(identity)
        for entry in _entries(here):
            if os.path.isdir(entry):
                (links if entry.is_symlink() else waiting).append(entry)
                continue
            below.append(entry)
            if _leads_nowhere(entry):
                logging.warning("the link %s leads nowhere (%s)", entry, os.readlink(entry))
    return sorted(below)


def shown(file: Path, root: Path) -> str:
    """A file's path below a folder, with slashes, made printable whatever bytes it has."""
    return printable(PurePath(file.relative_to(root)).as_posix())


def printable(name: str) -> str:
    """The name in composed Unicode, as it can be printed."""
    return unicodedata.normalize("NFC", on_one_line(name))


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be listed ({error.strerror}): make it readable") from error
    return [entry for entry in entries if not is_system_name(entry.name)]


def _leads_nowhere(entry: Path) -> bool:
    return entry.is_symlink() and not os.path.exists(entry)


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be listed ({error.strerror}): make it readable") from error
    return status.st_dev, status.st_ino
