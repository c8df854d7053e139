"""Means, deviations and bootstrap intervals of what recipes score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
LEVEL = 0.95  # of the intervals

_TOGETHER = 200  # resamples that are drawn at a time, so that many photos need little memory


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and the deviation of a sample (n - 1); None for fewer than two values."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def interval(differences: Float[np.ndarray, " n"], seed: int = 0) -> tuple[float, float] | None:
    """The percentile bootstrap interval of the mean of paired differences (Efron, 1979); None for fewer than two.

    The differences are drawn with replacement, as many as there are; the interval holds the middle LEVEL of the means
    of RESAMPLES such draws.

    Args:
        differences: of two recipes on the same seed, or on the same photo.
        seed: of the draws.
    """
    values = np.asarray(differences, np.float64)
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(0, len(values), (_TOGETHER, len(values)))].mean(axis=1)
        for _ in range(RESAMPLES // _TOGETHER)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
