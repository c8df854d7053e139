"""The objective of a recipe: the sum over terms of weight(step) * term(outputs, labels), routed as the table says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jdnet_jax.config.defaults import acts
from jdnet_jax.config.routing import ENSEMBLE, OWN_GROUPS, ROUTING, STUDENT, TEACHER
from jdnet_jax.losses.adversarial import FIGURES, Adversarial, discriminators_turn
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.losses.classification import CrossEntropy, Dist, Distill, Kl
from jdnet_jax.losses.ial import Ial
from jdnet_jax.losses.mskd import Mskd
from jdnet_jax.losses.routing import only_if, route
from jdnet_jax.losses.schedule import weight_schedule
from jdnet_jax.losses.similarity import Similarity
from jdnet_jax.models.labels import Labels
from jdnet_jax.models.outputs import Outputs

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Term:
    """One weighted term over the outputs of one network (`ce`) or of the student and one teacher (the couplings).

    Attributes:
        name: the loss's name in the config and the network that it adds to the student, such as `mskd_teacher`.
        module: a Flax module that maps the outputs to a scalar. Its parameters (adapters) live in the train
            state under its group and name, never in a network that is handed off.
        networks: whose outputs it reads, in the order of the module's arguments.
        routing: strength of the gradient that it sends to each of these networks and to the term's parameters.
        weight: of the optimiser step.
        alternates: whether the networks receive its gradient in odd steps only, and its parameters in even ones.
    """

    name: str
    module: nn.Module
    networks: tuple[str, ...]
    routing: Mapping[str, float]
    weight: Callable[[Int[Array, ""]], Float[Array, ""]]
    alternates: bool = False

    @property
    def group(self) -> str | None:
        """The group of the term's parameters; None if it has none."""
        return getattr(self.module, "group", None)

    def init(self, key: Array, outputs: Mapping[str, Outputs], labels: Labels) -> Variables:
        """Fresh parameters and batch statistics of the term."""
        return self.module.init(key, *[outputs[name] for name in self.networks], labels, train=False)

    def apply(
        self, variables: Variables, outputs: Mapping[str, Outputs], labels: Labels, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], Variables]:
        """The term's value in training; its updated `batch_stats` and its `figures`, where it has such."""
        inputs = [route(outputs[name], self.routing[name]) for name in self.networks]
        if self.group is None:
            value: Any = self.module.apply({}, *inputs, labels, train=True)
            return value, {}
        params = route(variables["params"], self.routing[self.group])
        if self.alternates:
            own_turn = discriminators_turn(step)
            inputs, params = only_if(~own_turn, inputs), only_if(own_turn, params)
        routed = {**variables, "params": params}
        value, updates = self.module.apply(routed, *inputs, labels, train=True, mutable=["batch_stats", FIGURES])
        return value, updates


def build(
    losses: Mapping[str, Any],
    trainable: Mapping[str, bool],
    steps: int,
    dtype: jnp.dtype = jnp.float32,
    axis_name: str | None = None,
    selection: str = "all",
    readers: Mapping[str, BlockReader] | None = None,
    class_weights: tuple[float, ...] = (),
) -> tuple[Term, ...]:
    """The terms of a resolved config.

    Args:
        losses: the config's `losses`; entries of weight 0 are left out.
        trainable: every network's name -> whether it is trained; the first is `student`, the others are teachers.
        steps: length of the run, for the weight schedules.
        dtype: compute dtype of the terms' layers.
        axis_name: mapped axis over which their BatchNorm averages its statistics; None keeps them per device.
        selection: how the frozen teachers take part; under `random` and `mean` they are one network, `ENSEMBLE`.
        readers: network or `ENSEMBLE` -> reader of its blocks, for MEAL's terms.
        class_weights: see `CrossEntropy`.
    """
    teachers = [name for name in trainable if name != STUDENT]
    frozen = [name for name in teachers if not trainable[name]]
    together = [ENSEMBLE] if frozen and selection != "all" else []
    # A term on maps needs the outputs of one network; those on logits and blocks take the ensemble's as well.
    alone = [name for name in teachers if not together or trainable[name]]
    fixed = together or frozen
    teachers_of = {
        "kl": alone + together,
        "similarity": fixed,
        "adversarial": fixed,
        "distill": fixed,
        "dist": alone + together,
    }
    terms = []
    for name, loss in losses.items():
        if not acts(loss):
            continue
        weight = weight_schedule(loss["weight"], loss["schedule"]["name"], loss["schedule"]["warmup"], steps)
        if name == "ce":
            learners = [n for n in trainable if strengths(name, loss["routing"], (n,), trainable)[n] != 0]
            groups: Sequence[tuple[str, ...]] = [(n,) for n in learners]
        else:
            groups = [(STUDENT, teacher) for teacher in teachers_of.get(name, alone)]
        for networks in groups:
            routing = strengths(name, loss["routing"], networks, trainable)
            options = dict(loss["options"])
            if name == "ce":
                options["class_weights"] = class_weights
            module = _module(name, options, routing, networks, dtype, axis_name, readers or {})
            mode = loss["options"].get("mode")
            if mode == "joint":
                routing[STUDENT] = -routing[STUDENT]
            terms.append(Term(f"{name}_{networks[-1]}", module, networks, routing, weight, mode == "alternate"))
    return tuple(terms)


def strengths(
    loss: str, override: Mapping[str, float], networks: Sequence[str], trainable: Mapping[str, bool]
) -> dict[str, float]:
    """The routing of a term: the table's row for networks and the term's parameters, with the config's changes."""
    table = ROUTING[loss]
    row = {group: float(override.get(group, table[group])) for group in OWN_GROUPS}
    for name in networks:
        role = STUDENT if name == STUDENT else TEACHER
        row[name] = float(override.get(name, table[role])) if trainable.get(name, False) else 0.0
    return row


def _module(name, options, routing, networks, dtype, axis_name, readers) -> nn.Module:
    match name:
        case "ce":
            return CrossEntropy(options["label_smoothing"], options["class_weights"])
        case "kl":
            return Kl(**options, mutual=routing[networks[-1]] != 0)
        case "dist":
            return Dist(**options)
        case "distill":
            return Distill(**options)
        case "ial":
            return Ial(**options)
        case "mskd":
            return Mskd(
                variant=options["variant"],
                stages=tuple(options["stages"]),
                stage_weights=tuple(options["stage_weights"]),
                mutual=routing[networks[-1]] != 0,
                dtype=dtype,
                axis_name=axis_name,
            )
        case "similarity":
            student, teacher = (readers[network] for network in networks)
            return Similarity(student, teacher, _of_blocks(options["gammas"], student), options["distance"])
        case "adversarial":
            student, teacher = (readers[network] for network in networks)
            etas, divisors = _of_blocks(options["etas"], student), tuple(options["divisors"])
            return Adversarial(student, teacher, etas, divisors, final_relu=options["faithful"])
    raise ValueError(f"unknown loss {name!r}")


def _of_blocks(weights: Sequence[float], reader: BlockReader) -> tuple[float, ...]:
    return tuple(weights) or (1.0,) * (len(reader.lengths) + 1)


def evaluate(
    terms: Sequence[Term],
    params: Mapping[str, Any],
    batch_stats: Mapping[str, Any],
    outputs: Mapping[str, Outputs],
    labels: Labels,
    step: Int[Array, ""],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]], dict[str, Any], dict[str, Float[Array, ""]]]:
    """The weighted sum of all terms in training.

    Args:
        terms: from `build`.
        params: parameters of all networks and groups; a term's are at `params[group][name]`.
        batch_stats: their batch statistics, laid out as `params`.
        outputs: network name -> its forward pass over the batch.
        labels: class ids, or shares of the classes.
        step: the optimiser step, for the weights.

    Returns:
        the total; each term's unweighted value by name; the terms' updated batch statistics, group -> name -> tree;
        the terms' figures by `<figure>/<term>`, such as the discriminators' accuracy.
    """
    total = jnp.float32(0.0)
    values: dict[str, Float[Array, ""]] = {}
    updated: dict[str, Any] = {}
    figures: dict[str, Float[Array, ""]] = {}
    for term in terms:
        variables = {}
        if term.group is not None:
            variables = {"params": params[term.group][term.name], "batch_stats": batch_stats[term.group][term.name]}
        value, mutated = term.apply(variables, outputs, labels, step)
        if term.group is not None:
            updated.setdefault(term.group, {})[term.name] = mutated.get("batch_stats", {})
        figures |= {f"{name}/{term.name}": figure for name, figure in mutated.get(FIGURES, {}).items()}
        values[term.name] = value
        total = total + term.weight(step) * value
    return total, values, updated, figures


def init(
    terms: Sequence[Term], key: Array, outputs: Mapping[str, Outputs], labels: Labels
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh parameters and batch statistics of the layers of all terms: group -> term name -> tree."""
    params: dict[str, Any] = {}
    batch_stats: dict[str, Any] = {}
    for i, term in enumerate(terms):
        if term.group is None:
            continue
        variables = term.init(jax.random.fold_in(key, i), outputs, labels)
        params.setdefault(term.group, {})[term.name] = variables.get("params", {})
        batch_stats.setdefault(term.group, {})[term.name] = variables.get("batch_stats", {})
    return params, batch_stats
