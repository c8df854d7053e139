"""Finds photos that cannot be decoded, before a dataset is written from them."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf


def unreadable(paths: Iterable[Path]) -> dict[Path, str]:
    """Decodes every file in full, with the decoder that training uses, and returns the reason for each that fails.

    A truncated JPEG has a sound header, so nothing short of a full decode finds it.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = list(paths)
        reasons = pool.map(_why_unreadable, paths)
        return {path: reason for path, reason in zip(paths, reasons, strict=True) if reason}


def _why_unreadable(path: Path) -> str | None:
    try:
        tf.io.decode_image(path.read_bytes(), channels=3, expand_animations=False)
    except OSError as error:
        return error.strerror or "cannot be read"
    except tf.errors.InvalidArgumentError:
        return "truncated or not an image"
    return None
