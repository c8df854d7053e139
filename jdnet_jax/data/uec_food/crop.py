"""Cuts a photo to the box of its food."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from jdnet_jax.data.uec_food.listing import Box

_QUALITY = 95


class Window(NamedTuple):
    """A part of a picture, in pixels; never empty."""

    top: int
    left: int
    height: int
    width: int


def window(boxes: Iterable[Box], margin: float, height: int, width: int) -> Window | None:
    """The largest of the boxes, clipped to the picture, widened, and clipped again; None where none has any area.

    Args:
        boxes: boxes of one class; of equally large ones the first counts.
        margin: share of the clipped box's width and height that is added on each side, rounded up to whole pixels.
        height: height of the picture in pixels.
        width: width of the picture in pixels.
    """
    inside = [Box(max(b.x1, 0), max(b.y1, 0), min(b.x2, width), min(b.y2, height)) for b in boxes]
    inside = [b for b in inside if b.x1 < b.x2 and b.y1 < b.y2]
    if not inside:
        return None
    x1, y1, x2, y2 = max(inside, key=lambda b: (b.x2 - b.x1) * (b.y2 - b.y1))
    beside, above = math.ceil(margin * (x2 - x1)), math.ceil(margin * (y2 - y1))
    left, top = max(x1 - beside, 0), max(y1 - above, 0)
    right, bottom = min(x2 + beside, width), min(y2 + above, height)
    return Window(top, left, bottom - top, right - left)


def cut(encoded: bytes, part: Window) -> bytes:
    """The part of an encoded photo as JPEG of quality 95 without chroma subsampling; the same bytes if it is all."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    if part == (0, 0, *image.shape[:2]):
        return encoded
    image = image[part.top : part.top + part.height, part.left : part.left + part.width]
    return tf.io.encode_jpeg(image, quality=_QUALITY, chroma_downsampling=False).numpy()
