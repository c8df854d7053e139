"""Robustness of a model: its figures on the same photos, unchanged and perturbed, with intervals and losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from jdnet_jax.config import views
from jdnet_jax.figures import bootstrap, intervals
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import scoring
from jdnet_jax.inference.perturbation import Perturbation, perturb
from jdnet_jax.inference.runner import Runner
from jdnet_jax.inference.scoring import Scores
from jdnet_jax.process.errors import UserError

CLEAN = "clean"
BOOTSTRAP_SEED = 0

ROI, CONTEXT, BOTH = "roi", "context", "both"

# The arrays of a batch that are perturbed; a model of one input has no `context`.
_INPUTS: Mapping[str, tuple[str, ...]] = {ROI: ("image",), CONTEXT: ("context",), BOTH: ("image", "context")}

# How the figures are printed.
_FORMS: Mapping[str, Callable[[float], str]] = {"top1": lambda x: f"{100 * x:.2f}", "macro_f1": lambda x: f"{x:.4f}"}


@dataclasses.dataclass(frozen=True)
class Condition:
    """The figures on the photos unchanged, or perturbed in one way.

    Attributes:
        scores: the model's figures on them.
        drawn: top-1 and macro-F1 on each bootstrap drawing of the photos; empty without a bootstrap.
    """

    scores: Scores
    drawn: bootstrap.Figures


def conditions(
    runner: Runner,
    batches: Iterable[Mapping[str, np.ndarray]],
    perturbations: Mapping[str, Perturbation],
    *,
    seed: int,
    on: str | None,
    draws: int,
    averaged: Collection[int] | None = None,
) -> dict[str, Condition]:
    """Runs a model over photos, unchanged and under each perturbation; each photo is decoded once.

    Args:
        runner: the model.
        batches: as `LabelledPhotos` has them; `context`, uint8 of the shape of `image`, where the model has two inputs.
        perturbations: name -> perturbation.
        seed: seed of the perturbations.
        on: which input is perturbed, `roi`, `context` or `both`; None for all that there are.
        draws: number of bootstrap drawings; 0 for none.
        averaged: see `Scores`.

    Returns:
        `clean` and the name of each perturbation -> its figures.

    Raises:
        UserError: a perturbation that is not made for the model's size, or an input is named and the model has but
            one, or the model is a file that takes a photo and a mask.
    """
    _check(runner.card, perturbations, on)
    parts: dict[str, list[scoring.Examples]] = {name: [] for name in (CLEAN, *perturbations)}
    for batch in batches:
        parts[CLEAN].append(scoring.examples(runner, batch))
        for name, perturbation in perturbations.items():
            parts[name].append(scoring.examples(runner, perturbed(batch, perturbation, seed, on)))
    predictions = {name: scoring.joined(of_batches) for name, of_batches in parts.items()}
    drawn = bootstrap.figures(
        predictions[CLEAN].label,
        {name: photos.predicted for name, photos in predictions.items()},
        len(runner.card.classes),
        draws,
        BOOTSTRAP_SEED,
        averaged,
    )
    return {
        name: Condition(scoring.scores_of(photos, runner.card, averaged), drawn[name])
        for name, photos in predictions.items()
    }


def _check(card: ModelCard, perturbations: Mapping[str, Perturbation], on: str | None) -> None:
    for perturbation in perturbations.values():
        perturbation.check(card.image_size)
    if on is not None and card.view != views.BOTH:
        raise UserError(f"--perturb_on={on}: the model has one input, {card.view}; leave --perturb_on out")
    if perturbations and card.view == views.BOTH and card.file_format != "flax":
        # Food that is moved or blurred by itself overlaps its surroundings: no photo and mask are cut into such two.
        raise UserError(
            f"a {card.file_format} file of {card.view} cuts the region of interest out itself, so region and context "
            "cannot be perturbed apart: name the workdir that it was exported from, or its student/"
        )


def perturbed(
    batch: Mapping[str, np.ndarray], perturbation: Perturbation, seed: int, on: str | None
) -> dict[str, np.ndarray]:
    """A batch with perturbed inputs; all inputs of a photo get the same random draws.

    Args:
        batch: as for `conditions`.
        perturbation: has been checked with the size.
        seed: seed of the draws.
        on: as for `conditions`.
    """
    names = [name for name in _INPUTS[on or BOTH] if name in batch]
    return {**batch, **{name: perturb(batch[name], perturbation, seed, batch["index"]) for name in names}}


def as_json(results: Mapping[str, Condition]) -> dict[str, Any]:
    """The entries for JSON: the intervals of the unchanged photos, and all figures of the perturbed ones.

    `lost` is clean minus perturbed, paired: both on the same drawings of photos.
    """
    clean, *changed = results
    return {
        "intervals": _intervals(results[clean]),
        "perturbed": [
            {
                "perturbation": name,
                **results[name].scores.summary(),
                "intervals": _intervals(results[name]),
                "lost": _lost(results[clean], results[name]),
            }
            for name in changed
        ],
    }


def table(results: Mapping[str, Condition]) -> str:
    """A table with a line for each condition: top-1, macro-F1 and the cost of the perturbation, with intervals."""
    rows = [("", "top-1, %", "lost", "macro-F1", "lost")]
    clean = results[CLEAN]
    for name, condition in results.items():
        cells = [name]
        for figure, form in _FORMS.items():
            before, after = (one.scores.summary()[figure] for one in (clean, condition))
            drawn_before, drawn_after = (getattr(one.drawn, figure) for one in (clean, condition))
            cells.append(_cell(after, drawn_after, form))
            cells.append("" if condition is clean else _cell(before - after, drawn_before - drawn_after, form))
        rows.append((cells[0], cells[1], cells[2], cells[3], cells[4]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(f"  {line}" for line in lines)


def _cell(value: float, drawn: np.ndarray, form: Callable[[float], str]) -> str:
    if not len(drawn):
        return form(value)
    low, high = intervals.percentiles(drawn)
    return f"{form(value)} ({form(low)} to {form(high)})"


def _intervals(condition: Condition) -> dict[str, Any] | None:
    if not len(condition.drawn.top1):
        return None
    return {name: list(intervals.percentiles(values)) for name, values in condition.drawn._asdict().items()}


def _lost(clean: Condition, changed: Condition) -> dict[str, Any]:
    before, after = clean.scores.summary(), changed.scores.summary()
    lost: dict[str, Any] = {name: before[name] - after[name] for name in bootstrap.Figures._fields}
    if len(clean.drawn.top1):
        lost["intervals"] = {
            name: list(intervals.percentiles(getattr(clean.drawn, name) - getattr(changed.drawn, name)))
            for name in bootstrap.Figures._fields
        }
    return lost
