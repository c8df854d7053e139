"""Bootstrap figures on random drawings of the photos, for several conditions at once; for `intervals.percentiles`.

Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics, 1979: the photos are drawn again with
replacement, as many as there are, and the figures are computed on each drawing. They show the chance of the photos
only, not how much training with another seed would change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jdnet_jax.figures.classification import macro_f1


class Figures(NamedTuple):
    """Top-1 and macro-F1, a number or one for each drawing."""

    top1: Float[np.ndarray, " draws"]
    macro_f1: Float[np.ndarray, " draws"]


def figures(
    label: Int[np.ndarray, " n"],
    predictions: Mapping[str, Int[np.ndarray, " n"]],
    num_classes: int,
    draws: int,
    seed: int,
    averaged: Collection[int] | None = None,
) -> dict[str, Figures]:
    """Top-1 and macro-F1 on drawings of the photos, the same drawings for all conditions: differences are paired.

    Args:
        label: class of each photo; at least one.
        predictions: condition -> the predicted class of each photo.
        num_classes: number of the model's classes.
        draws: number of drawings.
        seed: not negative.
        averaged: see `classification.macro_f1`.
    """
    cells = {name: label * num_classes + classes for name, classes in predictions.items()}
    values: dict[str, list[tuple[float, float]]] = {name: [] for name in predictions}
    for weights in _drawings(len(label), draws, seed):
        for name, cell in cells.items():
            counts = np.bincount(cell, weights, num_classes**2).reshape(num_classes, num_classes)
            values[name].append((float(np.trace(counts)) / len(label), macro_f1(counts, averaged)))
    return {name: Figures(*np.array(rows).reshape(-1, 2).T) for name, rows in values.items()}


def _drawings(photos: int, draws: int, seed: int) -> Iterator[Int[np.ndarray, " n"]]:
    """The number of times that each photo was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(photos, size=photos), minlength=photos)
