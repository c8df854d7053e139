"""Runs exported StableHLO files with JAX, on its first device."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.export
import numpy as np
from jaxtyping import UInt8

from jdnet_jax.errors import UserError
from jdnet_jax.inference.batches import run_in_batches
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.inference.runner import Prediction


class StablehloRunner:
    """A StableHLO file that is open; a `Runner`."""

    def __init__(self, exported: jax.export.Exported, card: ModelCard):
        self.card = card
        self._call = jax.jit(exported.call)

    def run(self, images: UInt8[np.ndarray, "n size size 3"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        return run_in_batches(self._call, images)


def load(path: Path, card: ModelCard) -> StablehloRunner:
    """Opens a file.

    Raises:
        UserError: it cannot be read, is damaged, or was exported for other platforms than this machine's.
    """
    try:
        exported = jax.export.deserialize(bytearray(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged file makes the parsers of flatbuffers and MLIR raise anything
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is no StableHLO file of this project, or damaged ({reason}): export it again"
        ) from error
    return StablehloRunner(exported, card)
