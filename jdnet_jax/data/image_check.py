"""Finds photos that cannot be decoded, before a dataset is written from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf
from absl import logging
from jaxtyping import UInt8

from jdnet_jax.data import photo_limits
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.photo_limits import UnreadablePhotoError
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

MAX_UNREADABLE = 0.01  # of the photos of a published dataset's split
MAX_UNREADABLE_OWN = 0.1  # of the user's own photos, where there are MANY; of fewer, half
MANY = 300

Name = TypeVar("Name")


class Picture(NamedTuple):
    """A photo that can be decoded: SHA-256 of its bytes, height and width in pixels."""

    sha256: bytes
    height: int
    width: int


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UnreadablePhotoError: it is not there, no regular file, too large, or must not or cannot be read.
    """
    try:
        return user_files.read_bytes(path, photo_limits.MAX_BYTES)
    except OSError as error:
        raise UnreadablePhotoError(_reason(error)) from error


def decode(encoded: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Decodes a photo in full, since the header of a truncated JPEG is sound.

    Raises:
        UnreadablePhotoError: it is damaged, no photo, or beyond what a photo may be.
    """
    photo_limits.check(encoded)
    try:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError:
        raise UnreadablePhotoError("truncated or not an image") from None


def inspect(photos: Iterable[Name], load: Callable[[Name], bytes]) -> tuple[dict[Name, Picture], dict[Name, str]]:
    """Decodes every photo in full, with the decoder that training uses.

    Args:
        photos: names of the photos.
        load: returns the bytes that a dataset stores for a photo, or raises OSError or UnreadablePhotoError. Called
            from several threads.

    Returns:
        What is in those that can be decoded, and the reason for each that cannot.
    """
    pictures, reasons = {}, {}
    for photo, result in _looked_at(photos, load):
        if isinstance(result, Picture):
            pictures[photo] = result
        else:
            reasons[photo] = result
    return pictures, reasons


def unreadable(paths: Iterable[Path], load: Callable[[Path], bytes] = read) -> dict[Path, str]:
    """The reason for each file that cannot be decoded; the arguments are those of `inspect`."""
    return {path: result for path, result in _looked_at(paths, load) if isinstance(result, str)}


def refuse_many(reasons: Mapping[Name, str], total: int, where: object, *, own: bool = False) -> None:
    """Warns about each unreadable photo that is left out, and refuses data with many of them.

    Args:
        reasons: unreadable photo -> the reason.
        total: number of photos, including the unreadable ones.
        where: what holds or lists them, for the message.
        own: whether they are the user's own photos, of which a few may well be broken, rather than a published dataset,
            of which there are sound copies.

    Raises:
        UserError: more than MAX_UNREADABLE of a published dataset's photos are unreadable, or of the user's own more
            than MAX_UNREADABLE_OWN where there are MANY, or more than half.
    """
    for photo, reason in reasons.items():
        logging.warning("skipped unreadable photo %s: %s", photo, reason)
    allowed = (MAX_UNREADABLE_OWN if total >= MANY else 0.5) if own else MAX_UNREADABLE
    if len(reasons) > allowed * total:
        photo, reason = next(iter(reasons.items()))
        advice = "repair or remove them" if own else "get an intact copy of the dataset"
        raise UserError(
            f"{len(reasons)} of the {total} photos in {where} cannot be read, more than {allowed:.0%}; the first is "
            f"{photo} ({reason}); {advice}"
        )


def _looked_at(photos: Iterable[Name], load: Callable[[Name], bytes]) -> Iterator[tuple[Name, Picture | str]]:
    """Each photo with its `Picture`, or the reason why it is unreadable."""

    def look(photo: Name) -> tuple[Name, Picture | str]:
        try:
            encoded = load(photo)
            height, width, _ = decode(encoded).shape
        except OSError as error:
            return photo, _reason(error)
        except UnreadablePhotoError as error:
            return photo, str(error)
        return photo, Picture(hashlib.sha256(encoded).digest(), height, width)

    with photo_limits.quiet_pillow():
        yield from in_order(look, photos)


def _reason(error: OSError) -> str:
    return error.strerror or "cannot be read"
