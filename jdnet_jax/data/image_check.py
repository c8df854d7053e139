"""Finds photos that cannot be decoded, before a dataset is written from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging
from jaxtyping import UInt8

from jdnet_jax.data.parallel import in_order
from jdnet_jax.errors import UserError

MAX_UNREADABLE = 0.01  # of the photos of a split


class UnreadablePhotoError(Exception):
    """A file cannot be read as a photo; the message says why."""


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UnreadablePhotoError: it is not there, or must not or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePhotoError(error.strerror or "cannot be read") from error


def decode(encoded: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Decodes a photo in full: a truncated JPEG has a sound header, so nothing short of that finds it.

    Raises:
        UnreadablePhotoError: it is damaged or no photo.
    """
    try:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError:
        raise UnreadablePhotoError("truncated or not an image") from None


def unreadable(paths: Iterable[Path], load: Callable[[Path], bytes] = read) -> dict[Path, str]:
    """Decodes every photo in full, with the decoder that training uses, and returns the reason for each that fails.

    Args:
        paths: of the files.
        load: what a dataset stores of a file; raises UnreadablePhotoError where it cannot.
    """

    def check(path: Path) -> tuple[Path, str | None]:
        try:
            decode(load(path))
        except UnreadablePhotoError as error:
            return path, str(error)
        return path, None

    return {path: reason for path, reason in in_order(check, paths) if reason}


def refuse_many(bad: Mapping[Path, str], total: int, where: object) -> None:
    """Logs the reason for every unreadable photo, and refuses data of which more than 1 % are.

    Args:
        bad: the reasons by path.
        total: number of photos, the bad ones among them.
        where: what holds or lists them, for the message.

    Raises:
        UserError: more than MAX_UNREADABLE of the photos are unreadable.
    """
    for path, reason in bad.items():
        logging.warning("skipped unreadable photo %s: %s", path, reason)
    if len(bad) > MAX_UNREADABLE * total:
        path, reason = next(iter(bad.items()))
        raise UserError(
            f"{len(bad)} of the {total} photos in {where} cannot be read, more than {MAX_UNREADABLE:.0%}; the first is "
            f"{path} ({reason}); get a sound copy of the dataset"
        )
