"""Assembly of a run from its config: networks, loss terms and optimisers, the steps, and the initial state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from ml_collections import ConfigDict

from jdnet_jax import losses
from jdnet_jax.config.defaults import group_settings, head_of
from jdnet_jax.learning import frozen_teachers, networks, optimizers, state, step, term_gradients
from jdnet_jax.learning.frozen_teachers import FrozenTeachers
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.term_gradients import TermGradients


@dataclass(frozen=True)
class Assembly:
    """The parts of a run; nothing is allocated.

    Attributes:
        config: config of the run.
        num_classes: number of classes.
        steps: length of the run.
        networks: by name, the student first.
        evaluated: the networks at their evaluation image sizes.
        terms: the objective.
        frozen: the frozen teachers.
        optimizers: trained group -> optimiser.
    """

    config: ConfigDict
    num_classes: int
    steps: int
    networks: Mapping[str, Network]
    evaluated: Mapping[str, Network]
    terms: tuple[losses.Term, ...]
    frozen: FrozenTeachers
    optimizers: state.Optimizers

    def train_step(self) -> Callable[..., Any]:
        """The train step of one device, for `devices.mapped`."""
        return step.train_step(
            self.networks,
            self.terms,
            self.optimizers,
            frozen=self.frozen,
            ema_decay=self.config.ema_decay,
            sync_batch_norm=self.config.sync_batch_norm,
            skip_non_finite=self.config.on_non_finite == "skip",
            remat=self.config.remat,
        )

    def look(self) -> Callable[..., Any]:
        """`term_gradients.look` of one device, for `devices.mapped`."""
        gradients = TermGradients(self.networks, self.terms, self.frozen, self.config.remat)
        return term_gradients.look(gradients)

    def looks(self) -> frozenset[int]:
        """The steps (from 0) before which the terms' gradients are measured for the report."""
        count = self.config.gradient_report if term_gradients.compared(self.terms) else 0
        return term_gradients.looks(self.steps, count)

    def eval_step(self) -> Callable[..., Any]:
        """The evaluation step of one device, for `devices.mapped`."""
        return step.eval_step(self.evaluated)

    def scheduled(self, step: int) -> dict[str, float]:
        """The scheduled values at a step: `learning_rate/<group>`, and `weight/<term>`."""
        groups = [*self.optimizers, *(head_of(n) for n in self.optimizers if head_of(n) in self.config.groups)]
        schedules = {name: group_settings(self.config, name)["schedule"] for name in groups}
        rates = {name: optimizers.learning_rate(schedule, self.steps)(step) for name, schedule in schedules.items()}
        weights = {term.name: term.weight(jnp.int32(step)) for term in self.terms}
        return {
            **{f"learning_rate/{name}": float(rate) for name, rate in rates.items()},
            **{f"weight/{name}": float(weight) for name, weight in weights.items()},
        }

    def initial_state(self) -> state.TrainState:
        """The state at step 0.

        Raises:
            UserError: weights that do not exist or do not fit.
        """
        return state.create(self.config, self.networks, self.terms, self.optimizers, self.num_classes)


def assemble(config: ConfigDict, num_classes: int, steps: int, class_weights: tuple[float, ...] = ()) -> Assembly:
    """Builds the parts of a run from a resolved config.

    Args:
        config: resolved and checked.
        num_classes: number of classes.
        steps: length of the run.
        class_weights: cross-entropy's class weights by `config.losses.ce.options.balance`; () for equal ones.

    Raises:
        UserError: unknown model or option.
    """
    nets = networks.build(config, num_classes)
    terms = networks.objective(config, nets, steps, class_weights)
    tx = state.build_optimizers(config, nets, state.trained_groups(nets, terms), steps)
    frozen = frozen_teachers.build(config, nets)
    return Assembly(config, num_classes, steps, nets, networks.evaluated(config, nets), terms, frozen, tx)
