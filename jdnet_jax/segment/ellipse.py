"""An upright ellipse about a photo's centre, a guess of where a photo of food shows the food."""

from __future__ import annotations

import math

import numpy as np

from jdnet_jax.segment.segmenter import Mask


def central(height: int, width: int, side: float) -> Mask:
    """True where a pixel's centre lies in the ellipse.

    Args:
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        side: length of the ellipse's axes as a share of the photo's sides, in (0, 1].
    """
    # In units of the half axes, from the centre.
    y = (np.arange(height)[:, None] + 0.5 - height / 2) / (side * height / 2)
    x = (np.arange(width)[None, :] + 0.5 - width / 2) / (side * width / 2)
    return y**2 + x**2 <= 1.0


def share(side: float) -> float:
    """The ellipse's share of the photo's area, up to the rounding to pixels."""
    return math.pi / 4 * side**2
