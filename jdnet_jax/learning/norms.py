"""Norms and inner products of trees of parameters or gradients."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

_SMALL = 8192  # largest array that is joined with others before its values are summed


def norm(tree: PyTree) -> Float[Array, ""]:
    """The Euclidean norm of a tree: the square root of the sum of all squares."""
    return jnp.sqrt(sum((jnp.sum(part * part) for part in _parts(tree)), jnp.zeros(())))


def inner(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """The inner product of two trees of the same shapes."""
    return sum((jnp.sum(x * y) for x, y in zip(_parts(a), _parts(b), strict=True)), jnp.zeros(()))


def _parts(tree: PyTree) -> Iterator[Float[Array, ...]]:
    """The arrays of a tree, with vectors and small kernels joined.

    XLA on a CPU compiles each sum to several loops, and a network has hundreds of arrays.
    """
    leaves = jax.tree.leaves(tree)
    joined = [leaf.reshape(-1) for leaf in leaves if leaf.size <= _SMALL]
    if joined:
        yield jnp.concatenate(joined)
    yield from (leaf for leaf in leaves if leaf.size > _SMALL)
