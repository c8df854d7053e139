"""Runs exported ONNX files with ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.cpus import available
from jdnet_jax.inference.opening_errors import check_classes, explained
from jdnet_jax.inference.runner import Prediction

_BATCH = 32  # photos at a time, which bounds the memory that they take


class OnnxRunner:
    """An ONNX file that is open; a `Runner`."""

    def __init__(self, content: bytes, card: ModelCard):
        """Opens a file.

        Args:
            content: content of the file.
            card: the model card.

        Raises:
            ImportError: ONNX Runtime is not installed.
            ValueError: it does not have the card's classes.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available()
        options.log_severity_level = 3  # errors
        self.card = card
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        check_classes(self._session.get_outputs()[0].shape[-1], card)

    def run(self, images: UInt8[np.ndarray, "n size size 3"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        parts = [
            self._session.run(["probabilities", "activation"], {"image": images[begin : begin + _BATCH]})
            for begin in range(0, max(len(images), 1), _BATCH)
        ]
        return Prediction(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def load(path: Path, card: ModelCard) -> OnnxRunner:
    """Opens a file.

    Raises:
        UserError: it cannot be read, is damaged, does not have the card's classes, or ONNX Runtime is not installed.
    """
    with explained(path, "ONNX file", "ONNX Runtime: pip install 'jdnet-jax[onnx]'"):
        return OnnxRunner(path.read_bytes(), card)
