"""Finds photos that cannot be decoded, before a dataset is written from them."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import tensorflow as tf
from absl import logging

from jdnet_jax.errors import UserError

MAX_UNREADABLE = 0.01  # of a list's photos

Name = TypeVar("Name")


class Picture(NamedTuple):
    """What was found in a photo that can be decoded: SHA-256 of the file's bytes, height and width in pixels."""

    sha256: bytes
    height: int
    width: int


def inspect(photos: Iterable[Name], read: Callable[[Name], bytes]) -> tuple[dict[Name, Picture], dict[Name, str]]:
    """Decodes every photo in full, with the decoder that training uses.

    A truncated JPEG has a sound header, so nothing short of a full decode finds it.

    Args:
        photos: names of the photos.
        read: gives the bytes of the named photo, or raises OSError; called from several threads.

    Returns:
        What is in those that can be decoded, and the reason for each that cannot.
    """

    def look(photo: Name) -> Picture | str:
        try:
            encoded = read(photo)
            image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        except OSError as error:
            return error.strerror or "cannot be read"
        except tf.errors.InvalidArgumentError:
            return "truncated or not an image"
        height, width, _ = image.shape
        return Picture(hashlib.sha256(encoded).digest(), height, width)

    pictures, reasons = {}, {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        photos = list(photos)
        for photo, found in zip(photos, pool.map(look, photos), strict=True):
            if isinstance(found, Picture):
                pictures[photo] = found
            else:
                reasons[photo] = found
    return pictures, reasons


def unreadable(paths: Iterable[Path]) -> dict[Path, str]:
    """The reason for each file that cannot be decoded."""
    return inspect(paths, Path.read_bytes)[1]


def refuse_many(reasons: Mapping[Name, str], listed: int, source: str) -> None:
    """Warns of each photo that is skipped because it cannot be decoded, and refuses when they are too many.

    Args:
        reasons: the photos that cannot be decoded, and why.
        listed: how many photos were looked at.
        source: what lists them, for the message.

    Raises:
        UserError: more than 1 % cannot be decoded.
    """
    for photo, reason in reasons.items():
        logging.warning("skipped unreadable photo %s: %s", photo, reason)
    if len(reasons) > MAX_UNREADABLE * listed:
        photo, reason = next(iter(reasons.items()))
        raise UserError(
            f"{len(reasons)} of the {listed} photos in {source} cannot be read, more than {MAX_UNREADABLE:.0%}; "
            f"the first is {photo} ({reason}); get a sound copy of the dataset"
        )
