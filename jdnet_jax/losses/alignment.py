"""Bringing two feature maps onto one grid and one scale, shared by MSKD and IAL."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

# Vectors shorter than this have no direction worth comparing: they become zero and receive no gradient. It also bounds
# the gradient of the normalisation, 1 / length, at 1000.
_SHORTEST = 1e-3


def normalize(x: Float[Array, ...], axis: int | Sequence[int]) -> Float[Array, ...]:
    """x / ||x||_2 over `axis`, in float32; zero, with zero gradient, where the norm is below 1e-3.

    The guard makes the all-zero activation map (no position speaks for the label) and dead features harmless.
    """
    x = x.astype(jnp.float32)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    squares = jnp.sum(x * x, axis=axes, keepdims=True)
    alive = squares > _SHORTEST**2
    # The inner `where` keeps the gradient of the branch not taken finite.
    return jnp.where(alive, x / jnp.sqrt(jnp.where(alive, squares, 1.0)), 0.0)


def grids_align(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether one (height, width) grid is a whole multiple of the other in both directions."""
    (ah, aw), (bh, bw) = a, b
    return (ah % bh == 0 and aw % bw == 0) or (bh % ah == 0 and bw % aw == 0)


def to_common_grid(
    a: Float[Array, "batch ha wa channels_a"], b: Float[Array, "batch hb wb channels_b"]
) -> tuple[Float[Array, "batch h w channels_a"], Float[Array, "batch h w channels_b"]]:
    """Average-pools the larger of two NHWC maps to the grid of the smaller.

    Raises:
        ValueError: neither grid is a whole multiple of the other (see `grids_align`).
    """
    if not grids_align(a.shape[1:3], b.shape[1:3]):
        raise ValueError(f"grids {a.shape[1:3]} and {b.shape[1:3]} do not align: neither is a multiple of the other")
    height, width = min(a.shape[1], b.shape[1]), min(a.shape[2], b.shape[2])
    return _pool_to(a, height, width), _pool_to(b, height, width)


def _pool_to(x: Float[Array, "batch h w channels"], height: int, width: int) -> Float[Array, "batch h2 w2 channels"]:
    batch, h, w, channels = x.shape
    if (h, w) == (height, width):
        return x
    return x.reshape(batch, height, h // height, width, w // width, channels).mean(axis=(2, 4))
