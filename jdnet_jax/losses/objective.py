"""The objective of a recipe: the sum over terms of weight(step) * term(outputs, labels), routed as the table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jdnet_jax.labels import Labels
from jdnet_jax.losses.classification import CrossEntropy, Distill, Kl
from jdnet_jax.losses.ial import Ial
from jdnet_jax.losses.mskd import Mskd
from jdnet_jax.losses.routing import route
from jdnet_jax.losses.schedule import weight_schedule
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.routing import ADAPTERS, ROUTING, STUDENT, TEACHER

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Term:
    """One weighted term over the outputs of one network (`ce`) or of the student and one teacher (the couplings).

    Attributes:
        name: the loss's name in the config and the network that it adds to the student, such as `mskd_teacher`.
        module: a Flax module that maps the outputs to a scalar. Parameters of its own (adapters) live in the train
            state under its group and name, never in a network that is handed off.
        networks: whose outputs it reads, in the order of the module's arguments.
        routing: strength of the gradient that it sends to each of these networks and to its own parameters.
        weight: of the optimiser step.
    """

    name: str
    module: nn.Module
    networks: tuple[str, ...]
    routing: Mapping[str, float]
    weight: Callable[[Int[Array, ""]], Float[Array, ""]]

    @property
    def group(self) -> str | None:
        """The parameter group of the term's own parameters; None where it has none."""
        return getattr(self.module, "group", None)

    def init(self, key: Array, outputs: Mapping[str, Outputs], labels: Labels) -> Variables:
        """Fresh parameters and batch statistics of the term's own."""
        return self.module.init(key, *[outputs[name] for name in self.networks], labels, train=False)

    def apply(
        self, variables: Variables, outputs: Mapping[str, Outputs], labels: Labels
    ) -> tuple[Float[Array, ""], Variables]:
        """The term's value in training, and its updated batch statistics ({} where it has none)."""
        inputs = [route(outputs[name], self.routing[name]) for name in self.networks]
        if self.group is None:
            value: Any = self.module.apply({}, *inputs, labels, train=True)
            return value, {}
        routed = {**variables, "params": route(variables["params"], self.routing[self.group])}
        value, updates = self.module.apply(routed, *inputs, labels, train=True, mutable=["batch_stats"])
        return value, updates.get("batch_stats", {})


def build(
    losses: Mapping[str, Any],
    trainable: Mapping[str, bool],
    steps: int,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
) -> tuple[Term, ...]:
    """The terms of a resolved config.

    Args:
        losses: the config's `losses`; entries of weight 0 are left out.
        trainable: every network's name -> whether it is trained; the first is `student`, the others are teachers.
        steps: length of the run, for the weight schedules.
        dtype: compute dtype of the terms' own layers.
        axis_name: mesh axis for their batch statistics, None for per device.
    """
    teachers = [name for name in trainable if name != STUDENT]
    terms = []
    for name, loss in losses.items():
        if loss["weight"] == 0:
            continue
        weight = weight_schedule(loss["weight"], loss["schedule"]["name"], loss["schedule"]["warmup"], steps)
        if name == "ce":
            learners = [n for n in trainable if strengths(name, loss["routing"], (n,), trainable)[n] != 0]
            groups: Sequence[tuple[str, ...]] = [(n,) for n in learners]
        else:
            groups = [(STUDENT, teacher) for teacher in teachers]
        for networks in groups:
            routing = strengths(name, loss["routing"], networks, trainable)
            module = _module(name, dict(loss["options"]), routing, networks, dtype, axis_name)
            terms.append(Term(f"{name}_{networks[-1]}", module, networks, routing, weight))
    return tuple(terms)


def strengths(
    loss: str, override: Mapping[str, float], networks: Sequence[str], trainable: Mapping[str, bool]
) -> dict[str, float]:
    """The row of the routing table for these networks and the adapters, with the config's cells over the defaults."""
    table = ROUTING[loss]
    row = {ADAPTERS: float(override.get(ADAPTERS, table[ADAPTERS]))}
    for name in networks:
        role = STUDENT if name == STUDENT else TEACHER
        row[name] = float(override.get(name, table[role])) if trainable[name] else 0.0
    return row


def _module(name, options, routing, networks, dtype, axis_name) -> nn.Module:
    match name:
        case "ce":
            return CrossEntropy(label_smoothing=options["label_smoothing"])
        case "kl":
            return Kl(temperature=options["temperature"], mutual=routing[networks[-1]] != 0)
        case "distill":
            return Distill(**options)
        case "ial":
            return Ial(variant=options["variant"])
        case "mskd":
            return Mskd(
                variant=options["variant"],
                stages=tuple(options["stages"]),
                stage_weights=tuple(options["stage_weights"]),
                mutual=routing[networks[-1]] != 0,
                dtype=dtype,
                axis_name=axis_name,
            )
    raise ValueError(f"unknown loss {name!r}")


def evaluate(
    terms: Sequence[Term],
    params: Mapping[str, Any],
    batch_stats: Mapping[str, Any],
    outputs: Mapping[str, Outputs],
    labels: Labels,
    step: Int[Array, ""],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]], dict[str, Any]]:
    """The weighted sum of all terms in training.

    Args:
        terms: from `build`.
        params: of all networks and groups; a term's own are at `params[group][name]`.
        batch_stats: likewise.
        outputs: network name -> its forward pass over the batch.
        labels: class ids, or shares of the classes.
        step: the optimiser step, for the weights.

    Returns:
        the total; each term's unweighted value by name; the terms' updated batch statistics, group -> name -> tree.
    """
    total = jnp.float32(0.0)
    values: dict[str, Float[Array, ""]] = {}
    updated: dict[str, Any] = {}
    for term in terms:
        own = {}
        if term.group is not None:
            own = {"params": params[term.group][term.name], "batch_stats": batch_stats[term.group][term.name]}
        value, stats = term.apply(own, outputs, labels)
        if term.group is not None:
            updated.setdefault(term.group, {})[term.name] = stats
        values[term.name] = value
        total = total + term.weight(step) * value
    return total, values, updated


def init(
    terms: Sequence[Term], key: Array, outputs: Mapping[str, Outputs], labels: Labels
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh parameters and batch statistics of all terms' own layers: group -> term name -> tree."""
    params: dict[str, Any] = {}
    batch_stats: dict[str, Any] = {}
    for i, term in enumerate(terms):
        if term.group is None:
            continue
        variables = term.init(jax.random.fold_in(key, i), outputs, labels)
        params.setdefault(term.group, {})[term.name] = variables.get("params", {})
        batch_stats.setdefault(term.group, {})[term.name] = variables.get("batch_stats", {})
    return params, batch_stats
