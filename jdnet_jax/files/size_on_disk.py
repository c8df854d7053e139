"""The size of a model on disk."""

from __future__ import annotations

from pathlib import Path


def size_on_disk(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
