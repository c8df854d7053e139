"""How far a figure would move if other photos of the same kind had been taken: bootstrap intervals.

Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics, 1979: the photos are drawn anew with
replacement, as many as there are, the figure is computed on each drawing, and the interval runs between percentiles of
these. It tells of the photos alone, and nothing of how much training with another seed would change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jdnet_jax.figures.classification import macro_f1

LEVEL = 0.95  # of the intervals


class Interval(NamedTuple):
    """The two ends."""

    low: float
    high: float


class Figures(NamedTuple):
    """Top-1 and macro-F1, a number or one for each drawing."""

    top1: Float[np.ndarray, " draws"]
    macro_f1: Float[np.ndarray, " draws"]


def figures(
    label: Int[np.ndarray, " n"],
    given: Mapping[str, Int[np.ndarray, " n"]],
    num_classes: int,
    draws: int,
    seed: int,
    averaged: Collection[int] | None = None,
) -> dict[str, Figures]:
    """Top-1 and macro-F1 on drawings of the photos, the same drawings for all conditions: differences are paired.

    Args:
        label: class of each photo; at least one.
        given: condition -> the class that each photo was given.
        num_classes: of the model.
        draws: how many drawings.
        seed: not negative.
        averaged: see `evaluation.macro_f1`.
    """
    cells = {name: label * num_classes + classes for name, classes in given.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in given}
    for weights in _drawings(len(label), draws, seed):
        for name, cell in cells.items():
            counts = np.bincount(cell, weights, num_classes**2).reshape(num_classes, num_classes)
            found[name].append((float(np.trace(counts)) / len(label), macro_f1(counts, averaged)))
    return {name: Figures(*np.array(rows).reshape(-1, 2).T) for name, rows in found.items()}


def interval(values: Float[np.ndarray, " draws"]) -> Interval:
    """The interval that holds the middle 95 % of a figure's values, ends interpolated linearly."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _drawings(photos: int, draws: int, seed: int) -> Iterator[Int[np.ndarray, " n"]]:
    """How often each photo was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(photos, size=photos), minlength=photos)
