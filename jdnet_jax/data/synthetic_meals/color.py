"""Colours of the renderer: written as sRGB hex, computed with as linear light under gamma 2."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float


@functools.cache
def linear(code: str) -> Float[np.ndarray, " 3"]:
    """Linear RGB in [0, 1] of a hex colour such as `d8a24a`. Gamma 2 makes both directions one cheap operation."""
    value = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    value = value * value
    value.setflags(write=False)
    return value


def vary(rng: np.random.Generator, code: str, amount: float) -> Float[np.ndarray, " 3"]:
    """Colour `code` with random brightness (standard deviation `amount`) and hue (a third of it for each channel)."""
    noise = rng.standard_normal(4).astype(np.float32)
    return np.minimum(linear(code) * np.exp(amount * noise[0] + (amount / 3) * noise[1:]), 0.98)


def between(rng: np.random.Generator, first: str, second: str, amount: float = 0.06) -> Float[np.ndarray, " 3"]:
    """A random point between two colours, varied."""
    share = np.float32(rng.random())
    return vary(rng, first, amount) * (1 - share) + linear(second) * share


def mix(
    first: Float[np.ndarray, " 3"], second: Float[np.ndarray, " 3"], share: Float[np.ndarray, "height width"]
) -> Float[np.ndarray, "3 height width"]:
    """Field of colours from `first` (share 0) to `second` (share 1)."""
    return first[:, None, None] + (second - first)[:, None, None] * share


def many(
    rng: np.random.Generator, code: Float[np.ndarray, " 3"], count: int, amount: float
) -> Float[np.ndarray, "n 3"]:
    """`count` varied copies of one linear colour."""
    noise = rng.standard_normal((count, 4)).astype(np.float32)
    return np.minimum(code * np.exp(amount * noise[:, :1] + (amount / 3) * noise[:, 1:]), 0.98)
