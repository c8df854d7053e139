"""The gradient that each loss term sends to the student, beside cross-entropy's: its norm and its direction.

A coupling whose gradient is many times cross-entropy's dominates the labels, and one whose gradient is a hundredth of
it has no effect, whatever its value. Both gradients change by orders of magnitude during a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jdnet_jax import losses
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.learning.devices import Batch, averaged
from jdnet_jax.learning.forward import forward, step_key
from jdnet_jax.learning.frozen_teachers import FrozenTeachers
from jdnet_jax.learning.networks import Network
from jdnet_jax.learning.norms import inner, norm
from jdnet_jax.learning.state import TrainState
from jdnet_jax.models import labels

REFERENCE = f"ce_{STUDENT}"  # the term that the others are compared with


@dataclass(frozen=True)
class TermGradients:
    """The student's gradients of some terms, over one device's share of a batch.

    Attributes:
        networks: all networks.
        terms: the objective.
        frozen: the networks that are not trained, as the terms see them.
        remat: see `forward`.
    """

    networks: Mapping[str, Network]
    terms: Sequence[losses.Term]
    frozen: FrozenTeachers
    remat: bool = False

    def __call__(self, state: TrainState, batch: Batch, names: Sequence[str]) -> dict[str, PyTree]:
        """Term -> gradient of its unweighted value with respect to the student's parameters, averaged over devices.

        The student's forward pass is computed once, and each term's gradient is pulled back through it.
        """
        key = step_key(state)
        trainable = {name: network for name, network in self.networks.items() if network.trainable}
        fixed = {name: network for name, network in trainable.items() if name != STUDENT}
        others, _ = forward(fixed, state.params, state.batch_stats, batch, key)
        others |= self.frozen(state.params, state.batch_stats, batch, key)

        def of_student(params):
            only = {STUDENT: self.networks[STUDENT]}
            return forward(only, {STUDENT: params}, state.batch_stats, batch, key, self.remat)[0][STUDENT]

        student, pull_back = jax.vjp(of_student, state.params[STUDENT])
        of_batch = labels.of_batch(batch, student.logits.shape[-1])
        gradients = {}
        for term in (term for term in self.terms if term.name in names):
            variables = {}
            if term.group is not None:
                variables = {part: getattr(state, part)[term.group][term.name] for part in ("params", "batch_stats")}

            def value(outputs, term=term, variables=variables):
                students_turn = jnp.int32(1)  # where turns are taken
                return term.apply(variables, {**others, STUDENT: outputs}, of_batch, students_turn)[0]

            gradients[term.name] = averaged(pull_back(jax.grad(value)(student))[0])
        return gradients


def compared(terms: Sequence[losses.Term]) -> tuple[str, ...]:
    """Names of the terms that send the student a gradient, cross-entropy first; () where it is not one of several."""
    names = [term.name for term in terms if term.routing.get(STUDENT) and term.name != REFERENCE]
    return (REFERENCE, *names) if names and any(term.name == REFERENCE for term in terms) else ()


def look(gradients: TermGradients) -> Callable[[TrainState, Batch], dict[str, Float[Array, ""]]]:
    """The measurement for the report: a function of state and batch, for one device inside a mapped axis `data`.

    It measures the gradients that the terms of `compared` send to the student, over the first micro-batch, and returns
    of each term but cross-entropy `gradient_share/<term>`, the norm of its weighted gradient as a share of
    cross-entropy's, and `gradient_cosine/<term>`, the cosine between the two, in [-1, 1].

    It is not a part of the train step because XLA for CPUs computes convolutions inside a condition 25 times slower
    (jax 0.10), so a step that measures only sometimes would always be slow.
    """
    terms, names = gradients.terms, compared(gradients.terms)

    def measure(state: TrainState, batch: Batch) -> dict[str, Float[Array, ""]]:
        first = {name: values[0] for name, values in batch.items()}
        of_terms = gradients(state, first, names)
        norms = {name: norm(gradient) for name, gradient in of_terms.items()}
        weights = {term.name: term.weight(state.step) for term in terms}
        figures: dict[str, Float[Array, ""]] = {}
        for name in names[1:]:
            share = _ratio(weights[name] * norms[name], weights[REFERENCE] * norms[REFERENCE])
            cosine = _ratio(inner(of_terms[name], of_terms[REFERENCE]), norms[name] * norms[REFERENCE])
            figures |= {f"gradient_share/{name}": share, f"gradient_cosine/{name}": cosine}
        return figures

    return measure


def looks(steps: int, count: int) -> frozenset[int]:
    """The steps, counted from 0, before which the report measures: `count`, evenly spread from first to last."""
    count = min(count, steps)
    return frozenset(round(i * (steps - 1) / max(1, count - 1)) for i in range(count))


def _ratio(a: Float[Array, ""], b: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)
