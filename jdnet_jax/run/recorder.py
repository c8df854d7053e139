"""The recorder of a run: lines on the screen, figures in files, and evaluations on val."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jaxtyping import Array
from ml_collections import ConfigDict

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import Dataset
from jdnet_jax.figures import intervals
from jdnet_jax.figures.classification import Result
from jdnet_jax.learning import probe
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.evaluation import Evaluation
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process.progress import Progress, duration
from jdnet_jax.run import metrics, wandb_writer
from jdnet_jax.run.non_finite import NonFinitePolicy
from jdnet_jax.run.snapshots import Snapshots
from jdnet_jax.run.workdir import Workdir, plain


class Recorder:
    """A recorder of one run's progress."""

    def __init__(
        self,
        config: ConfigDict,
        dataset: Dataset,
        parts: Assembly,
        progress: Progress,
        evaluation: Evaluation,
        non_finite: NonFinitePolicy,
        snapshots: Snapshots | None,
    ):
        """A recorder of one run.

        Args:
            config: config of the run.
            dataset: dataset of the run.
            parts: the assembled run.
            progress: prints the lines.
            evaluation: evaluates the networks.
            non_finite: the run's policy, whose figures go into each line.
            snapshots: snapshots of the run; None where this process takes none.
        """
        self._config, self._dataset, self._parts = config, dataset, parts
        self._progress, self._evaluation = progress, evaluation
        self._non_finite, self._snapshots = non_finite, snapshots
        self._wandb: wandb_writer.WandbWriter | None = None

    def open(self, place: Workdir, *, is_writer: bool) -> metrics.RunWriter:
        """The writer of the run's figures, a context manager."""
        if self._config.wandb and is_writer:
            before = metrics.read(place.metrics)
            self._wandb = wandb_writer.WandbWriter(self._config.wandb, place.path, plain(self._config), before)
        others = [] if self._wandb is None else [self._wandb]
        return metrics.RunWriter(place.metrics, place.tensorboard, is_writer=is_writer, others=others)

    def log(self, writer: metrics.RunWriter, number: int, window: Sequence[Mapping[str, Array | Any]]) -> None:
        """Writes the line of a step: the means of the metrics of the steps since the last line, and the speed."""
        means = metrics.means(jax.device_get(window))
        rate = self._progress.rate(number)
        self._progress.line(number, means, rate)
        speed = {} if rate is None else {"images_per_second": rate}
        scheduled = self._parts.scheduled(number - 1)
        writer.write_scalars(number, {**means, **scheduled, **speed, **self._non_finite.figures()})

    def evaluate(self, writer: metrics.RunWriter, number: int, state: TrainState) -> float:
        """Evaluates the networks on val and returns the student's top-1; the frozen ones at step 0 only."""
        began = time.monotonic()
        results = self._evaluation.results(state, "val", frozen=number == 0)
        accuracies = "  ".join(f"{name} {intervals.share(each.top1, each.count)}" for name, each in results.items())
        self._progress.say(f"val at step {number}: {accuracies}  ({duration(time.monotonic() - began)})")
        writer.write_scalars(number, metrics.of_results("val", results))
        writer.flush()
        if self._snapshots is not None:
            with self._progress.alive("drawing activation maps"):
                self._snapshots.take(number, {name: state.variables(name) for name in self._parts.networks})
        return results[STUDENT].top1

    def conclude(self, results: Mapping[str, Result]) -> None:
        """Sends the test results where they belong to no line: to Weights & Biases; `summary.json` has them as well."""
        if self._wandb is not None:
            self._wandb.conclude(metrics.of_results("test", results))

    def probe(self, writer: metrics.RunWriter, state: TrainState) -> None:
        """Fits and reports the linear probe of the untrained student, if the config asks for it."""
        student = self._parts.networks[STUDENT]
        if probe.comes_first(student, self._dataset, self._config):
            with self._progress.alive("reading the photos for a linear classifier") as now:
                fitted = probe.of_student(student, state.variables(STUDENT), self._dataset, self._config, now)
            self._progress.say(probe.to_beat(fitted, self._dataset.sizes["val"]))
            writer.write_scalars(0, {"val/probe/top1": fitted.val_top1})
