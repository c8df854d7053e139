"""What every backend of `segment` can do: a photo in, a mask of the food out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

Pixels = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]


@runtime_checkable
class Segmenter(Protocol):
    """A backend that is ready."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that its masks depend on, the backend's name among them, as JSON holds it."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the libraries that it uses."""
        ...

    @property
    def least(self) -> float:
        """Which share of a photo it marks whatever is there, in [0, 1)."""
        ...

    @property
    def reach(self) -> float:
        """Which share it may mark at most, in (least, 1]."""
        ...

    def segment(self, pixels: Pixels) -> Mask:
        """The food in an upright RGB photo: True where it is. May be called from several threads."""
        ...
