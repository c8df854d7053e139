"""Exact evaluation: every example counted once, and the figures that are read from the counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, PyTree

from jdnet_jax.errors import UserError
from jdnet_jax.step import split


@dataclass(frozen=True)
class Result:
    """One network on one split.

    Attributes:
        confusion: how many examples of each label (row) were given each class (column).
        top5_count: how many have their label among the five best classes.
        loss: mean cross-entropy in nats.
    """

    confusion: Int[np.ndarray, "classes classes"]
    top5_count: int
    loss: float

    @property
    def count(self) -> int:
        """How many examples were counted."""
        return int(self.confusion.sum())

    @property
    def top1(self) -> float:
        """Share of examples whose best class is the label, in [0, 1]."""
        return float(np.trace(self.confusion)) / self.count

    def summary(self) -> dict[str, Any]:
        """The entries of `summary.json`: top1, top5, macro_f1 and loss, each as a plain number, and the count."""
        return {
            "top1": self.top1,
            "top5": self.top5_count / self.count,
            "macro_f1": macro_f1(self.confusion),
            "loss": self.loss,
            "count": self.count,
        }


@dataclass(frozen=True)
class PerClass:
    """Figures of each class, in [0, 1]; nan where there is none.

    Attributes:
        precision: of the examples that were given the class, how many are of it.
        recall: of the examples of the class, how many were given it.
        f1: 2 TP / (2 TP + FP + FN), the harmonic mean of the two.
        count: how many examples are of the class.
    """

    precision: Float[np.ndarray, " classes"]
    recall: Float[np.ndarray, " classes"]
    f1: Float[np.ndarray, " classes"]
    count: Int[np.ndarray, " classes"]


def per_class(confusion: Int[np.ndarray, "classes classes"]) -> PerClass:
    """Precision, recall, F1 and count of each class."""
    hits, given, count = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(_share(hits, given), _share(hits, count), _share(2 * hits, given + count), count)


def macro_f1(confusion: Int[np.ndarray, "classes classes"], of: Collection[int] | None = None) -> float:
    """Mean F1 over the classes that occur as a label or a prediction, in [0, 1].

    F1 = 2 TP / (2 TP + FP + FN). A class that neither occurs nor is predicted has no F1 and is left out, as
    scikit-learn does with the labels found in the data.

    Args:
        confusion: see `Result`.
        of: the classes to take the mean over; None for all.
    """
    f1 = per_class(confusion).f1
    if of is not None:
        f1 = f1[sorted(of)]
    present = ~np.isnan(f1)
    return float(np.mean(f1[present])) if present.any() else 0.0


def _share(part: Int[np.ndarray, " classes"], whole: Int[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def most_confused(confusion: Int[np.ndarray, "classes classes"], count: int) -> list[tuple[int, int, int]]:
    """The most frequent mistakes, (label, prediction, how many), the most frequent first; at most `count` of them."""
    mistakes = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:count]
    cells = [tuple(map(int, np.unravel_index(cell, mistakes.shape))) for cell in order]
    return [(label, given, int(mistakes[label, given])) for label, given in cells if mistakes[label, given]]


def evaluate(
    step: Callable[..., Any], variables: Mapping[str, PyTree], batches: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, Result]:
    """Runs the mapped evaluation step over all batches and sums its counts.

    Args:
        step: `step.mapped(step.eval_step(networks))`.
        variables: network name -> its variables.
        batches: this process's share of each padded batch (`image`, `label`, `mask`; `context` where there is one).

    Returns:
        the result of each network, and of `ensemble` where the step counts it.
    """
    totals: dict[str, Any] = {}
    pending = None
    for batch in batches:
        sums = step(variables, _split(batch))
        # Adding the counts of the batch before lets the device work on this one meanwhile.
        _add(totals, pending)
        pending = sums
    _add(totals, pending)
    count = int(totals["count"])
    counted = (key.removesuffix("/top5") for key in totals if key.endswith("/top5"))
    return {
        name: Result(totals[f"{name}/confusion"], int(totals[f"{name}/top5"]), float(totals[f"{name}/loss"]) / count)
        for name in dict.fromkeys([*variables, *counted])
    }


def logits(
    step: Callable[..., Any], variables: PyTree, batches: Iterable[Mapping[str, np.ndarray]]
) -> tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]:
    """The logits of every example and its label, in the order of the split; padding is left out.

    Args:
        step: `step.mapped(step.logits_step(network))`.
        variables: of the network.
        batches: as for `evaluate`.
    """
    parts = [{key: np.asarray(rows) for key, rows in step(variables, _split(batch)).items()} for batch in batches]
    kept = [(part["logits"][part["mask"]], part["label"][part["mask"]]) for part in parts]
    return np.concatenate([rows for rows, _ in kept]), np.concatenate([rows for _, rows in kept])


def _split(batch: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    if (batch["label"][batch["mask"]] < 0).any():
        raise UserError("photos without a label (-1) cannot be scored: choose another split (config.dataset.splits)")
    return split({key: batch[key] for key in ("image", "context", "label", "mask") if key in batch})


def _add(totals: dict[str, Any], sums: Mapping[str, Any] | None) -> None:
    for key, value in (sums or {}).items():
        kind = np.float64 if key.endswith("/loss") else np.int64
        totals[key] = totals.get(key, 0) + np.asarray(value, kind)
