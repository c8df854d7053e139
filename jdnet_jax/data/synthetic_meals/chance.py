"""Random choices of one of a few things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


def pick(rng: np.random.Generator, weights: Mapping[Option, float]) -> Option:
    """One of the keys, each with the probability of its share in the weights.

    `Generator.choice` does the same but takes ten times as long, mostly to make arrays.
    """
    left = rng.random() * sum(weights.values())
    for option, weight in weights.items():
        left -= weight
        if left < 0:
            return option
    return option  # rounding may leave nothing for the last one
