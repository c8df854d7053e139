"""The forward pass of the networks that are trained, in training mode."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from jdnet_jax.learning.devices import Batch
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.state import TrainState
from jdnet_jax.models import rematerialization
from jdnet_jax.models.outputs import Outputs


def forward(
    networks: Mapping[str, Network],
    params: Mapping[str, Any],
    batch_stats: Mapping[str, Any],
    batch: Batch,
    key: PRNGKeyArray,
    remat: bool = False,
) -> tuple[dict[str, Outputs], dict[str, Any]]:
    """The outputs of the networks for a batch, and their updated batch statistics.

    Args:
        networks: the networks to compute.
        params: network -> its parameters.
        batch_stats: network -> its batch statistics.
        batch: the images, as `Network.prepare` takes them.
        key: random key of dropout and stochastic depth.
        remat: whether the blocks are computed again in the backward pass, see `rematerialization`.
    """
    outputs, updated = {}, {}
    for name, network in networks.items():
        x = network.prepare(batch)
        variables = {"params": params[name], "batch_stats": batch_stats[name]}
        with rematerialization.of_blocks() if remat else contextlib.nullcontext():
            outputs[name], mutated = network.module.apply(
                variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": dropout_key(key, name)}
            )
        updated[name] = mutated.get("batch_stats", {})
    return outputs, updated


def dropout_key(key: PRNGKeyArray, network: str) -> PRNGKeyArray:
    """The dropout key of a network in a step; with one key for all, equal networks would drop the same units."""
    return jax.random.fold_in(key, zlib.crc32(network.encode()) & 0x7FFFFFFF)


def step_key(state: TrainState) -> PRNGKeyArray:
    """The random key of a step, from the run's key and the number of earlier steps."""
    return jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)
