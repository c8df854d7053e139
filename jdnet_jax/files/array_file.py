"""Files of named arrays (`.npz`), written completely or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jdnet_jax.files import atomic, user_files
from jdnet_jax.process.errors import UserError

LARGEST = 2**32  # bytes of a file


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays, compressed; the same arrays give the same bytes.

    Raises:
        UserError: they could not be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    atomic.write_bytes(path, buffer.getvalue())


def read(path: Path, remedy: str = "put back a copy") -> dict[str, np.ndarray]:
    """The arrays; none if there is no file, as in a run that is not finished.

    Args:
        path: path of the file.
        remedy: what to do where it is damaged, for the message.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    try:
        with np.load(io.BytesIO(user_files.read_bytes(path, LARGEST)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return {}
    except Exception as error:  # zipfile, zlib and NumPy raise anything at a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} is damaged ({reason}): {remedy}") from error
