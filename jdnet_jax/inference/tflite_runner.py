"""Runs exported TFLite files with LiteRT's interpreter on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jdnet_jax.config import views
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.cpus import available
from jdnet_jax.inference.opening_errors import check_classes, explained
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.process.native_output import captured


class TfliteRunner:
    """A TFLite file that is open; a `Runner`. Photos are run one after the other."""

    def __init__(self, content: bytes, card: ModelCard):
        """Opens a file.

        Args:
            content: content of the file.
            card: the model card.

        Raises:
            ValueError: it is not a TFLite model, or does not have the card's sizes.
        """
        from ai_edge_litert.interpreter import Interpreter

        with captured():
            interpreter = Interpreter(model_content=content, num_threads=available())
            self._call = interpreter.get_signature_runner()
            # The first call allocates, and says so.
            self.card = card
            result = self._call(
                **self._inputs(np.zeros((1, card.image_size, card.image_size, card.channels), np.uint8))
            )
        check_classes(result["probabilities"].shape[-1], card)
        # [1, h, w, 1]; [1, h, w] in files of earlier versions; none where the file gives the probabilities alone.
        self._grid = result["activation"].shape[1:3] if "activation" in result else None

    def run(self, images: UInt8[np.ndarray, "n size size channels"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        probabilities = np.empty((len(images), len(self.card.classes)), np.float32)
        activation = None if self._grid is None else np.empty((len(images), *self._grid), np.float32)
        for i in range(len(images)):
            result = self._call(**self._inputs(images[i : i + 1]))
            probabilities[i] = result["probabilities"][0]
            if activation is not None:
                activation[i] = result["activation"].reshape(self._grid)
        return Prediction(probabilities, activation)

    def _inputs(self, images: UInt8[np.ndarray, "1 size size channels"]) -> dict[str, np.ndarray]:
        if self.card.view != views.BOTH:
            return {"image": images}
        return dict(zip(("image", "mask"), views.photo_and_mask(images), strict=True))


def load(path: Path, card: ModelCard) -> TfliteRunner:
    """Opens a file.

    Raises:
        UserError: it cannot be read, is damaged, does not have the card's classes, or LiteRT is not installed.
    """
    with explained(path, "TFLite file", "LiteRT: pip install 'jdnet-jax[export]'"):
        return TfliteRunner(path.read_bytes(), card)
