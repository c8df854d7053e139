"""The comparison: a row for each recipe, as Markdown and as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jdnet_jax.compare.results import Finished
from jdnet_jax.figures import intervals
from jdnet_jax.figures.intervals import FEWEST_SEEDS, Interval
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable


def rows(
    runs: Sequence[Finished], recipes: Sequence[str], baseline: str, missing: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The rows of the table, one for each recipe, as JSON holds them.

    Args:
        runs: finished.
        recipes: in the order of the table.
        baseline: the recipe that the others are compared with.
        missing: recipe -> its runs that are not there, and why.

    Returns:
        for each recipe `recipe`, `seeds`, `top1` and `macro_f1` on test (`values`, `mean`, `deviation` with n - 1),
        `difference` of top-1 to the baseline (`mean`; `interval`, `over_seeds` and `over_photos`: see
        `intervals.joined` and the others, or None; `seeds`: the number both have), `teachers_top1`, `training_seconds`,
        `images_per_second`, `parameters`, `multiply_adds`, `missing`. What cannot be told is None.

    Raises:
        UserError: two runs of one recipe and seed.
    """
    by_recipe: dict[str, dict[int, Finished]] = {recipe: {} for recipe in recipes}
    for run in runs:
        if other := by_recipe[run.recipe].get(run.seed):
            raise UserError(f"{other.path} and {run.path} are both {run.recipe} with seed {run.seed}: leave one out")
        by_recipe[run.recipe][run.seed] = run
    base = by_recipe.get(baseline, {})
    return [
        _row(recipe, by_recipe[recipe], base if recipe != baseline else {}, missing.get(recipe, ()))
        for recipe in recipes
    ]


def _row(
    recipe: str, runs: Mapping[int, Finished], base: Mapping[int, Finished], missing: Sequence[str]
) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": recipe, "seeds": sorted(runs), "missing": list(missing)}
    if not runs:
        return row
    finished = [runs[seed] for seed in sorted(runs)]
    students = [run.summary["student"] for run in finished]
    teachers: dict[str, list[float]] = {}
    for run in finished:
        for name, entry in run.summary["teachers"].items():
            teachers.setdefault(name, []).append(entry["test"]["top1"])
    return row | {
        "top1": _figure([student["test"]["top1"] for student in students]),
        "macro_f1": _figure([student["test"]["macro_f1"] for student in students]),
        "difference": _difference(runs, base),
        "teachers_top1": {name: _figure(values) for name, values in teachers.items()},
        "training_seconds": _mean([run.training_seconds for run in finished]),
        "images_per_second": _mean([run.summary["images_per_second"] for run in finished]),
        "parameters": students[0]["params"],
        "multiply_adds": students[0].get("multiply_adds"),
    }


def _figure(values: Sequence[float]) -> dict[str, Any]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"values": list(values), "mean": float(np.mean(values)), "deviation": deviation}


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _difference(runs: Mapping[int, Finished], base: Mapping[int, Finished]) -> dict[str, Any] | None:
    """The difference of top-1, recipe less baseline, paired by seed; None if they share no seed."""
    shared = sorted(runs.keys() & base.keys())
    if not shared:
        return None
    pairs = [(runs[seed], base[seed]) for seed in shared]
    over_seeds = np.array(
        [a.summary["student"]["test"]["top1"] - b.summary["student"]["test"]["top1"] for a, b in pairs]
    )
    by_photo = _by_photo(pairs)
    return {
        "mean": float(over_seeds.mean()),
        "seeds": len(shared),
        "interval": None if by_photo is None else intervals.joined(by_photo),
        "over_seeds": intervals.over_seeds(over_seeds),
        "over_photos": None if by_photo is None else intervals.over_photos(by_photo.mean(axis=0)),
    }


def _by_photo(pairs: Sequence[tuple[Finished, Finished]]) -> Float[np.ndarray, "seeds photos"] | None:
    """The difference of hits for each seed and test photo; None where the photos are not the same."""
    of_seeds: list[np.ndarray] = []
    for ours, theirs in pairs:
        if ours.hits is None or theirs.hits is None or not ours.shares_photos_with(theirs):
            return None
        if of_seeds and not ours.shares_photos_with(pairs[0][0]):
            return None
        of_seeds.append(ours.hits.astype(np.float64) - theirs.hits)
    return np.array(of_seeds)


def markdown(table: Sequence[Mapping[str, Any]], baseline: str, arms: Sequence[str] = ()) -> str:
    """The rows as a Markdown table; below it what the columns mean, what each recipe is, and what is missing.

    Args:
        table: from `rows`.
        baseline: as for `rows`.
        arms: from `arms.described`, a line a recipe.
    """
    baseline = _escaped(baseline)
    heads = [
        "recipe",
        "seeds",
        "test top-1 (%)",
        "macro-F1",
        f"less {baseline} (points, 95 % over seeds and photos)",
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
        f"Mean ± deviation (n - 1) over seeds. Differences of top-1 to {baseline} are paired by seed and by photo. In "
        "brackets the 95 % interval to go by: over other seeds and other photos at once (crossed random effects). "
        "Beside it its two parts: over seeds (Student's t), how much the difference varies between trainings, on these "
        "photos, and over photos (bootstrap), how much it varies between photos, with these trainings. Under "
        f"{FEWEST_SEEDS} seeds only the last can be computed. Training: steps x batch / median images/s, without "
        "compiling, evaluation and the training of teachers before it.",
        *(["", *(f"- {_escaped(line)}" for line in arms)] if arms else []),
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
        words(difference, 2) if difference else "–",
        _interval(difference and difference["over_seeds"]),
        _interval(difference and difference["over_photos"]),
        teachers or "–",
        _number(row["training_seconds"], 1, 0),
        _number(row["images_per_second"], 1, 0),
        _number(row["parameters"], 1e-6, 2),
        _number(row["multiply_adds"], 1e-6, 1),
    ]


def _escaped(text: str) -> str:
    """Text from outside, escaped so that Markdown shows it letter by letter."""
    return re.sub(r"([\\`*\[\]<>|&])", r"\\\1", printable(text))


def _spread(figure: Mapping[str, Any], factor: float, digits: int) -> str:
    text = f"{factor * figure['mean']:.{digits}f}"
    return text if figure["deviation"] is None else f"{text} ± {factor * figure['deviation']:.{digits}f}"


def words(difference: Mapping[str, Any], digits: int) -> str:
    """A difference in points, with its interval where it has one."""
    interval = difference["interval"]
    text = f"{100 * difference['mean']:+.{digits}f}"
    return f"{text} ({_interval(interval, digits)})" if interval else text


def _interval(interval: Interval | None, digits: int = 2) -> str:
    return f"{100 * interval[0]:+.{digits}f} to {100 * interval[1]:+.{digits}f}" if interval else "–"


def _number(value: float | None, factor: float, digits: int) -> str:
    return "–" if value is None else f"{factor * value:.{digits}f}"
