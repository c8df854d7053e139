"""The results of finished runs, as a comparison reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jdnet_jax.compare import arms
from jdnet_jax.files import array_file
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import TEST_ANEW, Workdir


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Attributes:
        path: path of its workdir.
        recipe: its name in the comparison: the config's argument, or the recipe where that is not known.
        config: the content of `config.json`.
        protocol: protocol of its data.
        summary: the content of `summary.json`.
        hits: whether the student was right on each photo of test, in the order of the split; None for a run of an
            earlier version, which did not keep it.
        labels: labels of these photos; None where `hits` is.
    """

    path: Path
    recipe: str
    config: Mapping[str, Any]
    protocol: str
    summary: Mapping[str, Any]
    hits: Bool[np.ndarray, " n"] | None
    labels: Int[np.ndarray, " n"] | None

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.summary["seed"]

    @property
    def training_seconds(self) -> float | None:
        """Seconds of training, without compilation, evaluation and saving: steps x batch / median images a second."""
        rate = self.summary["images_per_second"]
        taken = self.summary.get("ended_early", {}).get("step", self.summary["steps"])
        return taken * self.config["batch_size"] / rate if rate else None

    def shares_photos_with(self, other: Finished) -> bool:
        """Whether the test photos are the other run's, one by one, so that hits can be paired."""
        if self.labels is None or other.labels is None or not np.array_equal(self.labels, other.labels):
            return False
        return _photos(self.config) == _photos(other.config)


def _photos(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that choose the test photos; masks and views only change how they are shown."""
    dataset = config["dataset"]
    options = {key: value for key, value in dataset["options"].items() if key != "masks"}
    return {"name": dataset["name"], "test": dataset["splits"]["test"], "options": options}


def read(place: Workdir, recipe: str | None = None) -> Finished:
    """Reads the workdir of a finished run.

    Args:
        place: the workdir.
        recipe: its name in the comparison; None for the run's recipe. They differ where a config's argument is not a
            recipe, as in RveRNet's configs, whose views are all trained by `ce`.

    Raises:
        UserError: there is none, it is not finished, or a file of it is damaged.
    """
    if not place.config.is_file() and not place.summary.exists():
        raise UserError(f"{place.path} is not the folder of a run: it has no {place.config.name}")
    summary = place.finished()
    if summary is None:
        raise UserError(f"the run in {place.path} is not finished: continue it, or leave it out")
    config = place.read_config("put back a copy, or leave the run out")
    try:
        arms.described("", config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{place.config} is damaged ({error}): put back a copy, or leave the run out") from error
    hits = labels = None
    if arrays := array_file.read(place.evaluation, TEST_ANEW):
        try:
            labels = arrays["test/label"]
            hits = np.equal(labels, arrays["test/prediction"])
        except (KeyError, ValueError) as error:
            raise UserError(f"{place.evaluation} is damaged ({error}): {TEST_ANEW}") from error
    return Finished(place.path, recipe or summary["recipe"], config, summary["protocol"], summary, hits, labels)


def unlike_runs(runs: Sequence[Finished]) -> list[str]:
    """The differences between finished runs: those of `unlike`, and differences of data and of steps taken."""
    lines = arms.unlike({str(run.path): run.config for run in runs})
    for run in runs[1:]:
        if run.protocol != runs[0].protocol:
            lines.append(f"{run.path} has other data ({run.protocol}) than {runs[0].path} ({runs[0].protocol})")
        elif run.summary["steps"] != runs[0].summary["steps"]:
            lines.append(f"{run.path} took {run.summary['steps']} steps, {runs[0].path} {runs[0].summary['steps']}")
    return lines


def ended_early(runs: Sequence[Finished]) -> list[str]:
    """The runs that took fewer steps than their budget, a line each."""
    return [f"{run.path.name} {run.summary['ended_early']['why']}" for run in runs if "ended_early" in run.summary]
