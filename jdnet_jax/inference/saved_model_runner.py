"""Runs exported SavedModels with TensorFlow on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from jdnet_jax.files.plain_path import without_patterns
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.batches import run_in_batches
from jdnet_jax.inference.opening_errors import check_classes, explained
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.process.native_output import captured


class SavedModelRunner:
    """A SavedModel that is open; a `Runner`."""

    def __init__(self, path: Path, card: ModelCard):
        """Opens a folder.

        Raises:
            ValueError: it is not a SavedModel, or does not have the card's classes.
        """
        self.card = card
        with captured(), without_patterns(path) as place:
            self._model = tf.saved_model.load(str(place))  # its functions live as long as it does
            self._serve = self._model.signatures["serving_default"]
            # The first call compiles, and says so.
            probabilities, _ = self._call(np.zeros((1, card.image_size, card.image_size, 3), np.uint8))
        check_classes(probabilities.shape[-1], card)

    def run(self, images: UInt8[np.ndarray, "n size size 3"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        return run_in_batches(self._call, images)

    def _call(self, images: UInt8[np.ndarray, "n size size 3"]) -> tuple[np.ndarray, np.ndarray]:
        result = self._serve(image=tf.constant(images))
        return result["probabilities"].numpy(), result["activation"].numpy()


def load(path: Path, card: ModelCard) -> SavedModelRunner:
    """Opens a folder.

    Raises:
        UserError: it cannot be read, is damaged, or does not have the card's classes.
    """
    with explained(path, "SavedModel"):
        return SavedModelRunner(path, card)
