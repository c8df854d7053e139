"""The train state: everything that a step reads and writes, and that a checkpoint holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, PyTree, UInt32
from ml_collections import ConfigDict

from jdnet_jax import losses
from jdnet_jax.config.defaults import group_settings, head_of
from jdnet_jax.config.routing import DISCRIMINATORS, STUDENT
from jdnet_jax.learning import frozen_teachers, initial_weights, networks, optimizers
from jdnet_jax.learning.networks import Network
from jdnet_jax.losses.adversarial import discriminators_turn

Optimizers = Mapping[str, optax.GradientTransformationExtraArgs]


@flax.struct.dataclass
class TrainState:
    """The state of a training; every leaf is a `jax.Array`. Groups are the networks, the adapters, the discriminators.

    Attributes:
        step: number of steps taken.
        rng: raw key of what the step draws (dropout); it never changes, each step folds its number in.
        params: group -> parameters, float32.
        batch_stats: group -> running statistics of batch norm, float32.
        opt_state: group -> optimiser state; only groups that are trained.
        ema: the student's averaged `{"params", "batch_stats"}`; {} where the config has no average.
    """

    step: Int[Array, ""]
    rng: UInt32[Array, " 2"]
    params: dict[str, PyTree]
    batch_stats: dict[str, PyTree]
    opt_state: dict[str, PyTree]
    ema: dict[str, PyTree]

    def variables(self, name: str) -> dict[str, PyTree]:
        """Parameters and statistics of one network; the student's average where there is one."""
        if name == STUDENT and self.ema:
            return self.ema
        return {"params": self.params[name], "batch_stats": self.batch_stats[name]}

    def without(self, names: Collection[str]) -> TrainState:
        """The state without the parameters and statistics of some networks, such as the frozen ones."""
        params, batch_stats = (
            {name: tree for name, tree in part.items() if name not in names} for part in (self.params, self.batch_stats)
        )
        return dataclasses.replace(self, params=params, batch_stats=batch_stats)

    def with_missing(self, other: TrainState) -> TrainState:
        """The state, completed with the networks of another state that it lacks."""
        params, batch_stats = {**other.params, **self.params}, {**other.batch_stats, **self.batch_stats}
        return dataclasses.replace(self, params=params, batch_stats=batch_stats)


def build_optimizers(config: ConfigDict, nets: Mapping[str, Network], groups: Sequence[str], steps: int) -> Optimizers:
    """One optimiser for each trained group."""
    built = {}
    for name in groups:
        settings = group_settings(config, name)
        if name in nets and head_of(name) in config.groups:
            head = group_settings(config, head_of(name))
            built[name] = optimizers.build_apart(settings, head, networks.head(nets[name]), steps)
        else:
            built[name] = optimizers.build(**settings, steps=steps)
    if DISCRIMINATORS in built and config.losses.adversarial.options.mode == "alternate":
        built[DISCRIMINATORS] = optimizers.in_turns(built[DISCRIMINATORS], discriminators_turn)
    return built


def trained_groups(nets: Mapping[str, Network], terms: Sequence[losses.Term]) -> tuple[str, ...]:
    """Names of the groups that the step updates: trainable networks, then the terms' parameters."""
    term_groups = dict.fromkeys(term.group for term in terms if term.group is not None)
    return (*[name for name, network in nets.items() if network.trainable], *term_groups)


def create(
    config: ConfigDict, nets: Mapping[str, Network], terms: Sequence[losses.Term], tx: Optimizers, num_classes: int
) -> TrainState:
    """The state at step 0: networks initialised or loaded, fresh adapters, fresh optimisers.

    Raises:
        UserError: weights that do not exist or do not fit.
    """
    params: dict[str, Any] = {}
    batch_stats: dict[str, Any] = {}
    for name, network in nets.items():
        variables = initial_weights.initialize(network, config.seed, num_classes)
        params[name], batch_stats[name] = variables["params"], variables["batch_stats"]
    outputs = {
        name: jax.tree.map(lambda leaf: _copy(np.zeros(leaf.shape, leaf.dtype)), networks.shapes(network)[0])
        for name, network in nets.items()
    }
    outputs = frozen_teachers.build(config, nets).stand_ins(outputs)
    own_params, own_stats = networks.run_once(
        lambda key: losses.init(terms, key, outputs, jnp.zeros((1,), jnp.int32)),
        jax.random.fold_in(jax.random.key(config.seed), 1),
    )
    params, batch_stats = {**params, **own_params}, {**batch_stats, **own_stats}
    params, batch_stats = jax.tree.map(
        lambda leaf: leaf if isinstance(leaf, jax.Array) else _copy(leaf), (params, batch_stats)
    )
    ema = {}
    if config.ema_decay:
        ema = jax.tree.map(_copy, {"params": params[STUDENT], "batch_stats": batch_stats[STUDENT]})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        rng=jax.random.key_data(jax.random.key(config.seed)),
        params=params,
        batch_stats=batch_stats,
        # In one program: otherwise each of hundreds of arrays of zeros would be compiled separately.
        opt_state=networks.run_once(lambda p: {name: tx[name].init(p[name]) for name in tx}, params),
        ema=ema,
    )


def _copy(value: Array | np.ndarray) -> Array:
    """A copy in separate memory, without `jnp.copy`, which compiles a program for each shape."""
    return jnp.copy(value) if isinstance(value, jax.core.Tracer) else jax.device_put(np.array(value))
