"""Gradient routing: which term sends gradient to which network, and how strongly.

A coupling term d(s, t) between the student's output s and a teacher's output t enters the objective as
d(s, sg t) + r * d(sg s, t), where sg stops gradients (OURS: the papers do not say how strongly a student may pull on
its teacher). Its gradient equals that of d with the gradient into t multiplied by r, so routing is done by scaling
gradients where a network's outputs enter a term; the value of the term is left alone. Strength 0 stops the gradient
exactly; a negative strength reverses it (the gradient reversal layer of Ganin & Lempitsky, ICML 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import jax

Tree = TypeVar("Tree")

STUDENT, TEACHER, ADAPTERS = "student", "teacher", "adapters"

# term -> role -> strength of the gradient that the term sends to networks of that role.
# A frozen teacher receives nothing whatever stands here. A config's `routing` overrides single cells, by network name.
ROUTING: Mapping[str, Mapping[str, float]] = {
    "ce": {STUDENT: 1.0, TEACHER: 1.0, ADAPTERS: 0.0},
    "mskd": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 1.0},
    "ial": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0},
    "kl": {STUDENT: 1.0, TEACHER: 0.1, ADAPTERS: 0.0},
}


def route(tree: Tree, strength: float) -> Tree:
    """`tree` unchanged, with the gradient into it multiplied by `strength`.

    Args:
        tree: any pytree of floating-point arrays.
        strength: a Python number, so that 0 and 1 cost nothing: 0 stops the gradient, 1 passes it on.
    """
    if strength == 0.0:
        return jax.lax.stop_gradient(tree)
    if strength == 1.0:
        return tree
    return jax.tree.map(lambda leaf: _scale_gradient(leaf, strength), tree)


def _identity(x, strength):
    del strength
    return x


_scale_gradient = jax.custom_vjp(_identity, nondiff_argnums=(1,))
_scale_gradient.defvjp(
    lambda x, strength: (x, None),
    lambda strength, _, cotangent: ((cotangent * strength).astype(cotangent.dtype),),
)
