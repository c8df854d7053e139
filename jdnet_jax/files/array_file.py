"""Arrays with names in one `.npz` file that is whole or not there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jdnet_jax.files import atomic


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays, compressed; the same arrays give the same bytes.

    Raises:
        UserError: they could not be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    atomic.write_bytes(path, buffer.getvalue())


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays; none where the file is not there, as of a run that goes on, or damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}
