"""GrabCut: segmentation by colour models of the food and of its surroundings, with borders along the photo's edges.

Rother, Kolmogorov, Blake, "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004, as
OpenCV has it (`cv2.grabCut`): two Gaussian mixtures of five colours each and a minimal cut, by turns.

OURS is the prior, since nobody draws a rectangle here: what lies outside of a central rectangle is background, a small
ellipse in the middle is food, and in between, food is first looked for in a larger ellipse. So food that fills the
photo to its edges loses its rim, and a photo whose middle shows something else is cut wrongly. Without the small
ellipse the food is lost altogether where it looks like the rim, as apples in a heap do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jdnet_jax.process.errors import UserError
from jdnet_jax.segment import ellipse
from jdnet_jax.segment.segmenter import Mask, Pixels

# Axes of the ellipses, as shares of the photo's sides.
_FOOD, _LIKELY = 0.25, 0.7

_LEAST_SIDE = 8  # pixels, of the shrunk photo: below, the colour models have too few pixels to fit


@dataclasses.dataclass(frozen=True)
class GrabCut:
    """OpenCV's GrabCut with a prior about the photo's centre; a `Segmenter`.

    Attributes:
        margin: between the rectangle and the photo's edges, as a share of each side, in [0, 0.15] so that the larger
            ellipse lies inside.
        iterations: number of turns of colour models and cut.
        working_size: longer side in pixels to which larger photos are shrunk; time grows faster than its square.
        seed: seed of k-means, which the mixtures begin with. The same seed and photo give the same mask.
    """

    margin: float = 0.05
    iterations: int = 2
    working_size: int = 192
    seed: int = 0

    def __post_init__(self) -> None:
        """Loads OpenCV.

        Raises:
            UserError: OpenCV is not installed.
        """
        # Photos are done side by side instead; and a sum over threads would depend on how many there are.
        _opencv().setNumThreads(1)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings; see `Segmenter`."""
        return {"backend": "grabcut", **dataclasses.asdict(self)}

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions; see `Segmenter`."""
        return {"opencv": _opencv().__version__}

    @property
    def least(self) -> float:
        """The smallest share: that of the small ellipse; see `Segmenter`."""
        return ellipse.share(_FOOD)

    @property
    def reach(self) -> float:
        """The largest share: that of the rectangle; see `Segmenter`."""
        return (1 - 2 * self.margin) ** 2

    def segment(self, pixels: Pixels) -> Mask:
        """The mask of a photo, see `Segmenter`; empty for a photo that shrinks to less than 8 pixels on one side."""
        cv2 = _opencv()
        height, width = pixels.shape[:2]
        shrunk = self._shrunk(pixels)
        if min(shrunk.shape[:2]) < _LEAST_SIDE:
            return np.zeros((height, width), bool)
        rows, columns = shrunk.shape[:2]
        top, left = max(1, round(self.margin * rows)), max(1, round(self.margin * columns))
        labels = np.full((rows, columns), cv2.GC_BGD, np.uint8)
        labels[top:-top, left:-left] = cv2.GC_PR_BGD
        labels[ellipse.central(rows, columns, _LIKELY)] = cv2.GC_PR_FGD
        labels[ellipse.central(rows, columns, _FOOD)] = cv2.GC_FGD
        cv2.setRNGSeed(self.seed)  # of this thread
        models = np.zeros((2, 1, 65))
        cv2.grabCut(shrunk, labels, None, models[0], models[1], self.iterations, cv2.GC_INIT_WITH_MASK)
        food = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
        if food.shape == (height, width):
            return food
        # Enlarging a soft mask and cutting it at a half gives smooth outlines where the nearest pixel gives steps.
        return cv2.resize(255 * food.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR) > 127

    def _shrunk(self, pixels: Pixels) -> UInt8[np.ndarray, "rows columns 3"]:
        cv2 = _opencv()
        height, width = pixels.shape[:2]
        factor = self.working_size / max(height, width)
        if factor >= 1:
            return pixels
        size = max(1, round(factor * width)), max(1, round(factor * height))
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise UserError("--backend=grabcut needs OpenCV: pip install 'jdnet-jax[segment]'") from error
    return cv2
