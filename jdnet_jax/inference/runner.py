"""The interface of runners of every format: photos in, probabilities and perhaps an activation map out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from jdnet_jax.handoff.model_card import ModelCard


class Prediction(NamedTuple):
    """The predictions of a model for a batch of photos.

    Attributes:
        probabilities: after the temperature; each row adds up to 1, up to the format's precision.
        activation: class activation map of the most probable class, not negative, on the grid of the last feature map;
            None where an exported file gives the probabilities alone.
    """

    probabilities: Float32[np.ndarray, "n classes"]
    activation: Float32[np.ndarray, "n h w"] | None

    def each(self) -> Iterator[tuple[Float32[np.ndarray, " classes"], Float32[np.ndarray, "h w"] | None]]:
        """The probabilities and the activation map of each photo."""
        maps = itertools.repeat(None) if self.activation is None else self.activation
        yield from zip(self.probabilities, maps, strict=False)


@runtime_checkable
class Runner(Protocol):
    """An opened model of any format; `open.open_model` makes one."""

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        ...

    def run(self, images: UInt8[np.ndarray, "n size size channels"]) -> Prediction:
        """Predicts photos.

        Args:
            images: the evaluation views of any number of photos, RGB; `size` is `card.image_size`. Of a model of
                `roi+context` the region of interest and the context side by side, see `views.seen`.
        """
        ...
