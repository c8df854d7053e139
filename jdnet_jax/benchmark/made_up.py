"""What a step takes, for a config and without its data: networks, state, and a batch of noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import losses, networks, state, step, train
from jdnet_jax.data import mixing
from jdnet_jax.networks import Network
from jdnet_jax.step import Batch

_STEPS = 1000  # of a run whose length follows from its data


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A config's networks, loss terms and optimisers, and the state at step 0, on the devices."""

    config: ConfigDict
    networks: Mapping[str, Network]
    terms: tuple[losses.Term, ...]
    optimizers: state.Optimizers
    state: state.TrainState

    def train_step(self) -> Any:
        """The mapped train step, as a run has it."""
        function = step.train_step(
            self.networks,
            self.terms,
            self.optimizers,
            ema_decay=self.config.ema_decay,
            sync_batch_norm=self.config.sync_batch_norm,
            skip_non_finite=self.config.on_non_finite == "skip",
        )
        return step.mapped(function, donate_state=True)

    def variables(self) -> dict[str, Any]:
        """What the evaluation step takes first."""
        return {name: self.state.variables(name) for name in self.networks}


def build(config: ConfigDict, classes: int) -> Recipe:
    """The parts of a run.

    Raises:
        UserError: a mistake in the config, or weights that do not exist.
    """
    train.check(config)
    nets = networks.build(config, classes)
    steps = config.steps or _STEPS
    terms = networks.objective(config, nets, steps)
    optimizers = state.build_optimizers(config, state.trained_groups(nets, terms), steps)
    first = step.place(state.create(config, nets, terms, optimizers, classes))
    return Recipe(config, nets, terms, optimizers, first)


def train_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the train step takes it, on the devices."""
    batch = _noise(config, classes, config.batch_size)
    if mixing.is_on(config.augment):
        batch |= {"mixed_label": batch["label"][::-1].copy(), "share": np.full(config.batch_size, 0.5, np.float32)}
    return jax.block_until_ready(step.split(batch, config.grad_accum))


def eval_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the evaluation step takes it, on the devices; as long as they divide it."""
    size = config.eval_batch_size or config.batch_size
    size = -(-size // jax.device_count()) * jax.device_count()
    return jax.block_until_ready(step.split({**_noise(config, classes, size), "mask": np.ones(size, bool)}))


def _noise(config: ConfigDict, classes: int, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(config.seed)
    local = size // jax.process_count()
    shape = (local, config.image_size, config.image_size, 3)
    return {
        "image": rng.integers(0, 256, shape, dtype=np.uint8),
        "label": rng.integers(0, classes, local).astype(np.int32),
    }
