"""Runs exported StableHLO files with JAX, on its first device."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.export
import numpy as np
from jaxtyping import UInt8

from jdnet_jax.config import views
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.batches import run_in_batches
from jdnet_jax.inference.opening_errors import check_classes, explained
from jdnet_jax.inference.runner import Prediction


class StablehloRunner:
    """A StableHLO file that is open; a `Runner`."""

    def __init__(self, content: bytes, card: ModelCard):
        """Opens a file.

        Args:
            content: content of the file.
            card: the model card.

        Raises:
            ValueError: it does not have the card's classes.
        """
        exported = jax.export.deserialize(bytearray(content))
        check_classes(exported.out_avals[0].shape[-1], card)
        self.card = card
        self._call = jax.jit(exported.call)

    def run(self, images: UInt8[np.ndarray, "n size size channels"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        if self.card.view != views.BOTH:
            return run_in_batches(self._call, images)
        return run_in_batches(lambda batch: self._call(*views.photo_and_mask(batch)), images)


def load(path: Path, card: ModelCard) -> StablehloRunner:
    """Opens a file.

    Raises:
        UserError: it cannot be read, is damaged, or does not have the card's classes.
    """
    with explained(path, "StableHLO file"):
        return StablehloRunner(path.read_bytes(), card)
