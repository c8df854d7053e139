"""The evaluation of a run's networks on a split of its data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import Dataset
from jdnet_jax.figures.classification import Result
from jdnet_jax.learning import devices, eval_loop, host_batches, step
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process.progress import Progress, first_compiles


class Evaluation:
    """The mapped evaluation steps of a run, over its dataset."""

    def __init__(self, config: ConfigDict, dataset: Dataset, parts: Assembly, progress: Progress):
        """Maps the evaluation steps; nothing is compiled yet.

        Args:
            config: config of the run.
            dataset: dataset of the run.
            parts: the assembled run.
            progress: reports while an evaluation takes long.
        """
        self._config, self._dataset, self._parts, self._progress = config, dataset, parts, progress
        self._eval_step = devices.mapped(parts.eval_step())
        self._logits_step = devices.mapped(step.logits_step(parts.evaluated[STUDENT]))
        self._compiled: set[Hashable] = set()  # the networks whose evaluation is compiled

    def results(self, state: TrainState, role: str, *, frozen: bool = True) -> dict[str, Result]:
        """The result of each network on a split, without the frozen ones where `frozen` is False."""
        chosen = [name for name, network in self._parts.networks.items() if frozen or network.trainable]
        variables = {name: state.variables(name) for name in chosen}
        with self._progress.alive(work := f"evaluating on {role}") as now:
            batches = host_batches.evaluation(self._dataset, self._config, role)
            return eval_loop.evaluate(self._told(self._eval_step, tuple(chosen), now, work), variables, batches)

    def student_logits(
        self, state: TrainState, roles: Iterable[str]
    ) -> dict[str, tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]]:
        """The student's logits and the labels on each split, in the split's order."""
        variables = state.variables(STUDENT)
        with self._progress.alive(work := "calibrating the student") as now:
            return {
                role: eval_loop.logits(
                    self._told(self._logits_step, "logits", now, work),
                    variables,
                    host_batches.evaluation(self._dataset, self._config, role),
                )
                for role in roles
            }

    def _told(
        self, step: Callable[..., Any], what: Hashable, now: Callable[[str], None], work: str
    ) -> Callable[..., Any]:
        """The step; the first call for these networks announces its compilation."""
        if what in self._compiled:
            return step
        self._compiled.add(what)
        return first_compiles(step, now, work)
