"""Files that a user names: their paths, and reading that neither hangs nor fills the memory.

A name that looks like a photo's or a list's may be a pipe, a device or a link to one.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path

from jdnet_jax.process.errors import UserError

MAX_TEXT = 256 * 2**20  # bytes of a list

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",  # as spreadsheets and PowerShell write it
    codecs.BOM_UTF16_BE: "utf-16",
}


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with `~` and `~user` replaced by the home folder; a user who is not known stays as written."""
    return Path(os.path.expanduser(path))


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    Args:
        path: path of the file, or of a link to it.
        limit: the most bytes that it may hold.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    # Without O_NONBLOCK opening a pipe without a writer would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        content = file.read(limit + 1)  # a file of /proc has more than it says
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"more than {limit / 1e6:.0f} MB", str(path))
    return content


def read_text(path: Path) -> str:
    """The text of a list that the user or a spreadsheet wrote; lines end with a line feed.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    try:
        return text_of(read_bytes(path, MAX_TEXT))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error


def text_of(content: bytes, errors: str = "strict") -> str:
    """The text in a file's bytes, whatever its byte-order mark and line ends; lines end with a line feed.

    Args:
        content: UTF-8, or UTF-16 with a byte-order mark.
        errors: as for `bytes.decode`.

    Raises:
        UnicodeDecodeError: it is neither, and `errors` is 'strict'.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
