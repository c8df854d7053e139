"""The rule for useless masks: those that mark almost nothing, or almost everything.

OURS; how the paper's authors treat such masks is not known.
"""

from __future__ import annotations

import numpy as np

from jdnet_jax.segment import ellipse
from jdnet_jax.segment.segmenter import Mask

#: The choices of `--on_empty`.
CENTRE, WHOLE, SKIP = "centre", "whole", "skip"
CHOICES = (CENTRE, WHOLE, SKIP)

#: The verdicts.
SEGMENTED, EMPTY, FULL = "segmented", "empty", "full"

SMALLEST = 0.01  # share of the photo; a mask with less, beyond what the backend marks anyway, is called empty
LARGEST = 0.95  # share of what the backend may mark; a mask with as much is called full

_CENTRE_SIDE = 0.7


def verdict(share: float, least: float, reach: float) -> str:
    """The verdict on a mask: `segmented`, `empty` or `full`.

    Args:
        share: share of the photo that a backend marked, in [0, 1].
        least: `Segmenter.least` of the backend.
        reach: `Segmenter.reach` of the backend.
    """
    if share - least < SMALLEST:
        return EMPTY
    return FULL if share >= LARGEST * reach else SEGMENTED


def replacement(choice: str, height: int, width: int) -> Mask | None:
    """The mask that stands in for an empty or a full one.

    Args:
        choice: `centre`: an upright ellipse about the photo's centre, whose axes are 70 % of its sides (38 % of its
            area); `whole`: the whole photo; `skip`: none.
        height: height of the photo in pixels.
        width: width of the photo in pixels.
    """
    if choice == SKIP:
        return None
    if choice == WHOLE:
        return np.ones((height, width), bool)
    return ellipse.central(height, width, _CENTRE_SIDE)
