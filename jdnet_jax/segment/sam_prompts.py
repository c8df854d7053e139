"""Prompts for Segment Anything, and the choice among its masks; without the network itself.

OURS: the RveRNet paper uses Segment Anything and does not say with which prompts, nor which of the masks that a prompt
gives (three, of a part, of the whole and in between) is taken.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from jdnet_jax.segment import rule

CENTRE, BOX, GRID = "centre", "box", "grid"


def points(prompt: str, height: int, width: int, side: int) -> Float[np.ndarray, "prompts 2"] | None:
    """The points (x, y) in pixels, one for each prompt.

    Args:
        prompt: `centre`: the photo's centre; `grid`: the centres of side x side equal fields, row by row; `box`: None.
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        side: points of a side of the grid.
    """
    if prompt == BOX:
        return None
    steps = (np.arange(side if prompt == GRID else 1) + 0.5) / (side if prompt == GRID else 1)
    y, x = np.meshgrid(height * steps, width * steps, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def box(height: int, width: int, margin: float) -> Float[np.ndarray, " 4"]:
    """The central box as left, top, right and bottom in pixels.

    Args:
        height: height of the photo in pixels.
        width: width of the photo in pixels.
        margin: between box and edges, as a share of each side.
    """
    return np.array([margin * width, margin * height, (1 - margin) * width, (1 - margin) * height])


def choose(masks: Bool[np.ndarray, "masks rows columns"], predicted_iou: Float[np.ndarray, " masks"]) -> int:
    """The number of the chosen mask: the one with the best predicted IoU among those that contain the photo's centre.

    Masks that `rule` would call empty or full come after all others, and among these the ones without the centre after
    those with it. Of equal ones the first is chosen.

    Args:
        masks: masks of all prompts.
        predicted_iou: the network's estimate of each mask's intersection over union with the true one.
    """
    share = masks.mean(axis=(1, 2))
    is_useful = np.array([rule.verdict(float(one), 0.0, 1.0) == rule.SEGMENTED for one in share])
    has_centre = masks[:, masks.shape[1] // 2, masks.shape[2] // 2]
    # The last key counts first.
    return int(np.lexsort((-predicted_iou, ~has_centre, ~is_useful))[0])
