"""Scoring of a model of any format on labelled photos."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jdnet_jax.config import views
from jdnet_jax.figures import calibration, classification, rejection
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.runner import Runner

_SMALLEST = np.finfo(np.float32).tiny  # stands in for a probability that was rounded to 0, whose logarithm is infinite


@dataclasses.dataclass(frozen=True)
class Scores:
    """The scores of a model.

    Attributes:
        result: counts, and as its loss the negative log-likelihood of the labels in nats, after the temperature.
        calibration_error: see `calibration.expected_calibration_error`.
        averaged: the classes that macro-F1 is the mean over; None for all that occur.
        not_sure: the model's threshold as `below`, and its effect, see `rejection.effect`; None where it has none.
    """

    result: classification.Result
    calibration_error: float
    averaged: Collection[int] | None = None
    not_sure: Mapping[str, Any] | None = None

    def summary(self) -> dict[str, Any]:
        """top1 and its interval, top5, macro_f1, ece, nll, count and `not_sure` as plain numbers."""
        summary = self.result.summary() | {"macro_f1": classification.macro_f1(self.result.confusion, self.averaged)}
        nll, count = summary.pop("loss"), summary.pop("count")
        return {**summary, "ece": self.calibration_error, "nll": nll, "count": count, "not_sure": self.not_sure}


class Examples(NamedTuple):
    """The outcome for each photo: label, predicted class, whether the label is in the top 5, and two probabilities."""

    label: Int[np.ndarray, " n"]
    predicted: Int[np.ndarray, " n"]
    top5: Bool[np.ndarray, " n"]
    of_predicted: Float[np.ndarray, " n"]
    of_label: Float[np.ndarray, " n"]


def score(runner: Runner, batches: Iterable[Mapping[str, np.ndarray]]) -> Scores:
    """Runs a model over labelled photos and counts each once.

    Args:
        runner: the model.
        batches: as for `examples`, with at least one photo in all.
    """
    return scores_of(joined(examples(runner, batch) for batch in batches), runner.card)


def scores_of(predictions: Examples, card: ModelCard, averaged: Collection[int] | None = None) -> Scores:
    """The figures of a model from its predictions.

    Args:
        predictions: at least one photo.
        card: the model card.
        averaged: see `Scores`.
    """
    num_classes, below = len(card.classes), card.not_sure_below
    hits = predictions.predicted == predictions.label
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (predictions.label, predictions.predicted), 1)
    loss = -np.mean(np.log(np.maximum(predictions.of_label, _SMALLEST), dtype=np.float64))
    return Scores(
        classification.Result(confusion, int(predictions.top5.sum()), float(loss)),
        calibration.expected_calibration_error(predictions.of_predicted, hits),
        averaged,
        {"below": below, **rejection.effect(predictions.of_predicted, hits, below)} if below else None,
    )


def joined(parts: Iterable[Examples]) -> Examples:
    """The outcomes of several batches (at least one photo) as one."""
    return Examples(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def examples(runner: Runner, batch: Mapping[str, np.ndarray]) -> Examples:
    """Runs a model over a batch.

    Args:
        runner: the model.
        batch: `image` uint8 [n, size, size, 3] (and `context`, see `views.cut`) and `label` [n]; where `mask` [n] is
            there, rows whose mask is False are padding and are left out.
    """
    mask = batch.get("mask", np.ones(len(batch["label"]), bool))
    labels = batch["label"][mask]
    probabilities = runner.run(views.images_for(runner.card.channels, batch)).probabilities[mask]
    of_label = np.take_along_axis(probabilities, labels[:, None], axis=1)
    # Among equal probabilities the lower class comes first, as in argmax and in the evaluation step.
    lower = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > of_label) | ((probabilities == of_label) & lower)
    top5 = (np.sum(ahead, axis=1) < 5) & np.all(np.isfinite(probabilities), axis=1)
    return Examples(labels, probabilities.argmax(axis=1), top5, probabilities.max(axis=1), of_label[:, 0])
