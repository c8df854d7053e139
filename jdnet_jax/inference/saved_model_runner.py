"""Runs exported SavedModels with TensorFlow on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from jdnet_jax.errors import UserError
from jdnet_jax.inference.batches import run_in_batches
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.inference.runner import Prediction


class SavedModelRunner:
    """A SavedModel that is open; a `Runner`."""

    def __init__(self, path: Path, card: ModelCard):
        self.card = card
        self._model = tf.saved_model.load(str(path))  # its functions live as long as it does
        self._serve = self._model.signatures["serving_default"]

    def run(self, images: UInt8[np.ndarray, "n size size 3"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""

        def call(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            result = self._serve(image=tf.constant(batch))
            return result["probabilities"].numpy(), result["activation"].numpy()

        return run_in_batches(call, images)


def load(path: Path, card: ModelCard) -> SavedModelRunner:
    """Opens a folder.

    Raises:
        UserError: it cannot be read or is damaged.
    """
    try:
        return SavedModelRunner(path, card)
    except (OSError, ValueError, KeyError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is no SavedModel of this project, or damaged ({reason}): export it again") from error
