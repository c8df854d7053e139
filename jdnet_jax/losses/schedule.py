"""Schedules a(t), b(t), c(t) of the loss weights, as functions of the optimiser step."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

NAMES = ("constant", "linear")


def weight_schedule(
    weight: float, name: str, warmup: float, steps: int
) -> Callable[[Int[Array, ""]], Float[Array, ""]]:
    """The schedule of a term's weight, a function of the step.

    Args:
        weight: the value reached, not negative.
        name: `constant`, or `linear`: from 0 at step 0 to `weight` at the end of the warm-up.
        warmup: length of the linear part as a fraction of the run, in (0, 1].
        steps: length of the run in optimiser steps.
    """
    if name == "constant":
        return lambda step: jnp.float32(weight)
    if name == "linear":
        length = max(1.0, warmup * steps)
        return lambda step: weight * jnp.minimum(1.0, step.astype(jnp.float32) / length)
    raise ValueError(f"unknown weight schedule {name!r}; known: {', '.join(NAMES)}")
