"""Mask files: reading them, checking them against their photos, and encoding them for records."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer
from PIL import Image

from jdnet_jax.data import image_check, photo_limits
from jdnet_jax.data.image_check import UnreadablePhotoError

_ONE_CHANNEL = ("1", "L", "P")  # of a palette the indices count, not its colours


def read(file: Path, channel: int | None = None) -> Integer[np.ndarray, "height width"]:
    """The values of a mask or of a map of class ids, a PNG of 8 bits.

    Args:
        file: its path.
        channel: which channel holds the values; None for a file of one channel.

    Raises:
        UnreadablePhotoError: it is not there, damaged, or of other channels.
    """
    try:
        image = photo_limits.opened(image_check.read(file), ("PNG",))
    except UnreadablePhotoError as error:
        raise UnreadablePhotoError(f"its mask {file}: {error}") from error
    except Exception as error:  # a damaged file makes a decoder raise anything
        raise UnreadablePhotoError("its mask is truncated or not a PNG") from error
    with image:
        if channel is None and image.mode not in _ONE_CHANNEL:
            raise UnreadablePhotoError(f"its mask is not an 8-bit image of one channel but {image.mode}")
        try:
            values = np.asarray(image).astype(np.uint8)
        except Exception as error:
            raise UnreadablePhotoError("its mask is truncated or not a PNG") from error
    if values.ndim == 2:
        return values
    if channel is None or channel >= values.shape[2]:
        raise UnreadablePhotoError(f"its mask has {values.shape[2]} channels")
    return values[..., channel]


def digest(files: Iterable[Path]) -> str:
    """A digest of the contents of masks, in order: 12 hexadecimal digits."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()[:12]


def check_size(record: bytes, mask: Integer[np.ndarray, "height width"] | Bool[np.ndarray, "height width"]) -> None:
    """Checks that a mask is of the size of its photo, upright as the record of `photo_file` has it.

    Raises:
        UnreadablePhotoError: it is not.
    """
    with Image.open(io.BytesIO(record)) as image:
        if image.size != mask.shape[::-1]:
            width, height = image.size
            raise UnreadablePhotoError(
                f"its mask is {mask.shape[1]} x {mask.shape[0]} pixels, the upright photo {width} x {height}"
            )


def encode(mask: Bool[np.ndarray, "height width"]) -> bytes:
    """A mask as records hold it: PNG of one channel, 255 on the region of interest and 0 elsewhere."""
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file, "PNG", compress_level=1)
    return file.getvalue()
