"""Batches of two sizes only, because each size is compiled separately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jdnet_jax.inference.runner import Prediction

_BATCH = 32


def run_in_batches(
    call: Callable[[UInt8[np.ndarray, "batch size size channels"]], Any],
    images: UInt8[np.ndarray, "n size size channels"],
) -> Prediction:
    """Runs a compiled function over any number of photos: one alone, or 32 at a time, padded with black photos.

    Args:
        call: returns probabilities and activation maps.
        images: see `Runner.run`.
    """
    size = 1 if len(images) == 1 else _BATCH
    batches = [images[begin : begin + size] for begin in range(0, len(images), size)] or [images]
    parts = [call(_filled(batch, size)) for batch in batches]
    both = (np.concatenate([np.asarray(part[i]) for part in parts])[: len(images)] for i in (0, 1))
    return Prediction(*both)


def _filled(
    batch: UInt8[np.ndarray, "n size size channels"], size: int
) -> UInt8[np.ndarray, "batch size size channels"]:
    missing = size - len(batch)
    return np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)]) if missing else batch
