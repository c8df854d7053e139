"""The comparison: a row for each recipe, as Markdown and as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jdnet_jax.compare import statistics
from jdnet_jax.compare.results import Finished
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable


def rows(
    runs: Sequence[Finished], recipes: Sequence[str], baseline: str, missing: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """What there is to say of each recipe, as JSON holds it.

    Args:
        runs: finished.
        recipes: in the order of the table.
        baseline: the recipe that the others are compared with.
        missing: recipe -> its runs that are not there, and why.

    Returns:
        for each recipe `recipe`, `seeds`, `top1` and `macro_f1` on test (`values`, `mean`, `deviation` with n - 1),
        `difference` of top-1 to the baseline (`mean`, `over_seeds` and `over_photos`: intervals or None, `seeds`: how
        many both have), `teachers_top1`, `training_seconds`, `images_per_second`, `parameters`, `multiply_adds`,
        `missing`. What cannot be told is None.

    Raises:
        UserError: two runs of one recipe and seed.
    """
    found: dict[str, dict[int, Finished]] = {recipe: {} for recipe in recipes}
    for run in runs:
        if other := found[run.recipe].get(run.seed):
            raise UserError(f"{other.path} and {run.path} are both {run.recipe} with seed {run.seed}: leave one out")
        found[run.recipe][run.seed] = run
    base = found.get(baseline, {})
    return [
        _row(recipe, found[recipe], base if recipe != baseline else {}, missing.get(recipe, ())) for recipe in recipes
    ]


def _row(
    recipe: str, runs: Mapping[int, Finished], base: Mapping[int, Finished], missing: Sequence[str]
) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": recipe, "seeds": sorted(runs), "missing": list(missing)}
    if not runs:
        return row
    own = [runs[seed] for seed in sorted(runs)]
    students = [run.summary["student"] for run in own]
    teachers: dict[str, list[float]] = {}
    for run in own:
        for name, entry in run.summary["teachers"].items():
            teachers.setdefault(name, []).append(entry["test"]["top1"])
    return row | {
        "top1": _figure([student["test"]["top1"] for student in students]),
        "macro_f1": _figure([student["test"]["macro_f1"] for student in students]),
        "difference": _difference(runs, base),
        "teachers_top1": {name: _figure(values) for name, values in teachers.items()},
        "training_seconds": _mean([run.training_seconds for run in own]),
        "images_per_second": _mean([run.summary["images_per_second"] for run in own]),
        "parameters": students[0]["params"],
        "multiply_adds": students[0].get("multiply_adds"),
    }


def _figure(values: Sequence[float]) -> dict[str, Any]:
    mean, deviation = statistics.mean_and_deviation(values)
    return {"values": list(values), "mean": mean, "deviation": deviation}


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _difference(runs: Mapping[int, Finished], base: Mapping[int, Finished]) -> dict[str, Any] | None:
    """Of top-1, recipe less baseline, paired by seed; None where they share none."""
    shared = sorted(runs.keys() & base.keys())
    if not shared:
        return None
    pairs = [(runs[seed], base[seed]) for seed in shared]
    over_seeds = np.array(
        [a.summary["student"]["test"]["top1"] - b.summary["student"]["test"]["top1"] for a, b in pairs]
    )
    return {
        "mean": float(over_seeds.mean()),
        "seeds": len(shared),
        "over_seeds": statistics.interval(over_seeds),
        "over_photos": _over_photos(pairs),
    }


def _over_photos(pairs: Sequence[tuple[Finished, Finished]]) -> tuple[float, float] | None:
    """The interval over the photos of test; a photo's difference is the mean over the seeds."""
    of_seeds = []
    for ours, theirs in pairs:
        if ours.hits is None or theirs.hits is None or not ours.shares_photos_with(theirs):
            return None
        of_seeds.append(ours.hits.astype(np.float64) - theirs.hits)
    return statistics.interval(np.mean(of_seeds, axis=0))


def markdown(table: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """The rows as a Markdown table, with what the columns mean and what is missing below it."""
    baseline = _escaped(baseline)
    heads = [
        "recipe",
        "seeds",
        "test top-1 (%)",
        "macro-F1",
        f"less {baseline} (points)",
        "95 % over seeds",
        "95 % over photos",
        "teacher top-1 (%)",
        "training (s)",
        "images/s",
        "parameters (M)",
        "multiply-adds (M)",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in table]
    lines += [
        "",
        f"Mean ± deviation (n - 1) over seeds. Differences of top-1 to {baseline} are paired by seed; their intervals "
        f"are percentile bootstrap ({statistics.RESAMPLES:,} resamples): over seeds, which says how much another "
        "training would differ (of fewer than five it says little), and over the photos of test with these trainings, "
        "which says how much other photos would. Training: steps x batch / median images/s, without compiling, "
        "evaluation and a frozen teacher's own training.",
    ]
    gaps = [f"- missing: {_escaped(line)}" for row in table for line in row["missing"]]
    return "\n".join([*lines, *([""] if gaps else []), *gaps]) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    if "top1" not in row:
        return [_escaped(row["recipe"]), "0", *["–"] * 10]
    difference = row["difference"]
    teachers = ", ".join(_spread(figure, 100, 2) for figure in row["teachers_top1"].values())
    return [
        _escaped(row["recipe"]),
        str(len(row["seeds"])),
        _spread(row["top1"], 100, 2),
        _spread(row["macro_f1"], 1, 4),
        f"{100 * difference['mean']:+.2f}" if difference else "–",
        _interval(difference and difference["over_seeds"]),
        _interval(difference and difference["over_photos"]),
        teachers or "–",
        _number(row["training_seconds"], 1, 0),
        _number(row["images_per_second"], 1, 0),
        _number(row["parameters"], 1e-6, 2),
        _number(row["multiply_adds"], 1e-6, 1),
    ]


def _escaped(text: str) -> str:
    """A name, or what a file says, as Markdown shows it letter by letter."""
    return re.sub(r"([\\`*\[\]<>|&])", r"\\\1", printable(text))


def _spread(figure: Mapping[str, Any], factor: float, digits: int) -> str:
    text = f"{factor * figure['mean']:.{digits}f}"
    return text if figure["deviation"] is None else f"{text} ± {factor * figure['deviation']:.{digits}f}"


def _interval(interval: Sequence[float] | None) -> str:
    return f"{100 * interval[0]:+.2f} to {100 * interval[1]:+.2f}" if interval else "–"


def _number(value: float | None, factor: float, digits: int) -> str:
    return "–" if value is None else f"{factor * value:.{digits}f}"
