"""Gradient routing: the gradient that a term sends to a network, scaled as `jdnet_jax.config.routing.ROUTING` says.

The gradient of d(s, sg t) + r * d(sg s, t) equals that of d(s, t) with the gradient into t multiplied by r, so routing
is done by scaling gradients where a network's outputs enter a term; the value of the term does not change. Strength 0
stops the gradient exactly; a negative strength reverses it (the gradient reversal layer of Ganin & Lempitsky, ICML
2015).
"""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

Tree = TypeVar("Tree")


def route(tree: Tree, strength: float) -> Tree:
    """Routes gradient: `tree` unchanged, with the gradient into it multiplied by `strength`.

    Args:
        tree: any pytree of floating-point arrays.
        strength: a Python number, so that 0 and 1 cost nothing: 0 stops the gradient, 1 passes it on.

    >>> round(float(jax.grad(lambda x: route(x, 0.1) ** 2)(3.0)), 4)  # 0.1 of 2 x 3
    0.6
    """
    if strength == 0.0:
        return jax.lax.stop_gradient(tree)
    if strength == 1.0:
        return tree
    return jax.tree.map(lambda leaf: _scale_gradient(leaf, strength), tree)


def only_if(condition: Bool[Array, ""], tree: Tree) -> Tree:
    """Blocks gradient by a condition: `tree` unchanged, with a gradient of exactly zero if the condition is False.

    >>> float(jax.grad(lambda x: only_if(jnp.bool_(False), x) ** 2)(3.0))
    0.0
    """
    return jax.tree.map(lambda leaf: jnp.where(condition, leaf, jax.lax.stop_gradient(leaf)), tree)


def _identity(x, strength):
    del strength
    return x


_scale_gradient = jax.custom_vjp(_identity, nondiff_argnums=(1,))
_scale_gradient.defvjp(
    lambda x, strength: (x, None),
    lambda strength, _, cotangent: ((cotangent * strength).astype(cotangent.dtype),),
)
