"""Files that are whole or not there: written aside, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from jdnet_jax.process.errors import UserError


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
    aside = path.with_name(f".{path.name}.new")
    try:
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise UserError(
            f"{path} could not be written ({error.strerror}): make room or choose another folder"
        ) from error
