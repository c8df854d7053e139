"""Figures of a classifier, computed from its confusion matrix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real

from jdnet_jax.figures import intervals


@dataclass(frozen=True)
class Result:
    """The counts of one network on one split.

    Attributes:
        confusion: number of examples of each label (row) that were predicted as each class (column).
        top5_count: number of examples whose label is among the five best classes.
        loss: mean cross-entropy in nats.
    """

    confusion: Int[np.ndarray, "classes classes"]
    top5_count: int
    loss: float

    @property
    def count(self) -> int:
        """The number of examples."""
        return int(self.confusion.sum())

    @property
    def top1(self) -> float:
        """Share of examples whose best class is the label, in [0, 1]."""
        return float(np.trace(self.confusion)) / self.count

    def summary(self) -> dict[str, Any]:
        """The entries of `summary.json`: top1, top5, macro_f1 and loss as plain numbers, and the count.

        `top1_interval` has the two ends of Wilson's 95 % interval of top1.
        """
        return {
            "top1": self.top1,
            "top1_interval": list(intervals.wilson(int(np.trace(self.confusion)), self.count)),
            "top5": self.top5_count / self.count,
            "macro_f1": macro_f1(self.confusion),
            "loss": self.loss,
            "count": self.count,
        }


@dataclass(frozen=True)
class PerClass:
    """Figures of each class, in [0, 1]; nan where there is none.

    Attributes:
        precision: share of the examples predicted as the class that are of it.
        recall: share of the class's examples that are predicted as it.
        f1: 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall.
        count: number of the class's examples.
    """

    precision: Float[np.ndarray, " classes"]
    recall: Float[np.ndarray, " classes"]
    f1: Float[np.ndarray, " classes"]
    count: Real[np.ndarray, " classes"]


def per_class(confusion: Real[np.ndarray, "classes classes"]) -> PerClass:
    """Precision, recall, F1 and count of each class.

    >>> per_class(np.array([[3, 1], [0, 4]])).recall.tolist()
    [0.75, 1.0]
    """
    hits, predicted, count = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(_share(hits, predicted), _share(hits, count), _share(2 * hits, predicted + count), count)


def macro_f1(confusion: Real[np.ndarray, "classes classes"], of: Collection[int] | None = None) -> float:
    """Mean F1 over the classes that occur as a label or a prediction, in [0, 1].

    F1 = 2 TP / (2 TP + FP + FN). A class that neither occurs nor is predicted has no F1 and is left out, as
    scikit-learn does with the labels in the data.

    Args:
        confusion: see `Result`.
        of: the classes to take the mean over; None for all.

    >>> round(macro_f1(np.array([[3, 1], [0, 4]])), 4)
    0.873
    """
    f1 = per_class(confusion).f1
    if of is not None:
        f1 = f1[sorted(of)]
    present = ~np.isnan(f1)
    return float(np.mean(f1[present])) if present.any() else 0.0


def _share(part: Real[np.ndarray, " classes"], whole: Real[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def mistakes(
    labels: Int[np.ndarray, " n"], predictions: Int[np.ndarray, " n"], confidences: Float[np.ndarray, " n"]
) -> list[int]:
    """Positions of the wrong predictions, those with the highest probability first."""
    wrong = np.flatnonzero(labels != predictions)
    return wrong[np.argsort(-confidences[wrong], kind="stable")].tolist()


def most_confused(confusion: Int[np.ndarray, "classes classes"], count: int) -> list[tuple[int, int, int]]:
    """The most frequent mistakes, (label, prediction, how many), the most frequent first; at most `count` of them.

    >>> most_confused(np.array([[3, 1], [2, 4]]), 5)
    [(1, 0, 2), (0, 1, 1)]
    """
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    cells = [tuple(map(int, np.unravel_index(cell, mistakes.shape))) for cell in order]
    return [
        (label, prediction, int(mistakes[label, prediction]))
        for label, prediction in cells
        if mistakes[label, prediction]
    ]
