"""The final test of a run's networks: accuracy on val and test, calibration, and the threshold for "not sure"."""

from __future__ import annotations

import jax

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data import Dataset
from jdnet_jax.figures import calibration, rejection
from jdnet_jax.learning import networks
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.evaluation import Evaluation
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process.progress import Progress
from jdnet_jax.run.outcome import Tested


def of_networks(
    parts: Assembly, dataset: Dataset, evaluation: Evaluation, state: TrainState, progress: Progress
) -> Tested:
    """Tests the networks of `state`; temperature and threshold are fitted on val, if training has not used it.

    Args:
        parts: the assembled run.
        dataset: dataset of the run.
        evaluation: evaluates the networks.
        state: the state to test.
        progress: reports where nothing is fitted.
    """
    results = {role: evaluation.results(state, role) for role in ("val", "test")}
    logits = evaluation.student_logits(state, ("val", "test"))
    if not (unseen := not dataset.overlap("train", "val")):
        progress.say(
            "val is part of train: neither the temperature nor the threshold is fitted, because the student was "
            "trained on these photos"
        )
    calibrated = calibration.of_splits(logits, fit=unseen)
    return Tested(
        step=int(state.step),
        student=jax.device_get(state.variables(STUDENT)),
        parameters={name: networks.parameter_count(state.params[name]) for name in parts.networks},
        results=results,
        logits=logits,
        calibration=calibrated,
        not_sure=rejection.of_splits(logits, calibrated["temperature"], parts.config.not_sure, unseen=unseen),
    )
