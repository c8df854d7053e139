"""The interface of the backends of `segment`: a photo in, a mask of the food out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

Pixels = UInt8[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]


@runtime_checkable
class Segmenter(Protocol):
    """A loaded backend."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that its masks depend on, with the backend's name, as JSON holds them."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the libraries that it uses."""
        ...

    @property
    def least(self) -> float:
        """The share of a photo that it always marks, in [0, 1)."""
        ...

    @property
    def reach(self) -> float:
        """The largest share that it may mark, in (least, 1]."""
        ...

    def segment(self, pixels: Pixels) -> Mask:
        """The food in an upright RGB photo: True where it is. May be called from several threads."""
        ...
