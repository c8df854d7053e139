"""Alignment of two feature maps to one grid and one scale, shared by MSKD and IAL."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Vectors shorter than this have no direction worth comparing: they become zero and receive no gradient. It also bounds
# the gradient of the normalisation, 1 / length, at 1000.
_SHORTEST = 1e-3


def normalize(x: Float[Array, "*shape"], axis: int | Sequence[int]) -> Float[Array, "*shape"]:
    """The normalised array x / ||x||_2 over `axis`, in float32; zero, with zero gradient, where the norm is below 1e-3.

    The guard makes the all-zero activation map (no position speaks for the label) and dead features harmless.

    >>> normalize(jnp.array([[0.0, 5.0], [0.0, 0.0]]), axis=-1).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    x = x.astype(jnp.float32)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    squares = jnp.sum(x * x, axis=axes, keepdims=True)
    alive = squares > _SHORTEST**2
    # The inner `where` keeps the gradient of the branch not taken finite.
    return jnp.where(alive, x / jnp.sqrt(jnp.where(alive, squares, 1.0)), 0.0)


def cosines(a: Float[Array, "*positions c"], b: Float[Array, "*positions c"]) -> Float[Array, "*positions"]:
    """The cosines along the last axis, `sum(normalize(a, -1) * normalize(b, -1), -1)`, in one pass over both arrays.

    Reading the maps is the cost of such a term on an accelerator: maps of 56 x 56 x 256 are larger than all results.

    >>> cosines(jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([[2.0, 0.0], [0.0, 5.0]])).tolist()
    [1.0, 0.0]
    """
    product, square_a, square_b = _sums(a, b)
    alive = (square_a > _SHORTEST**2) & (square_b > _SHORTEST**2)
    return jnp.where(alive, product * lax.rsqrt(jnp.where(alive, square_a * square_b, 1.0)), 0.0)


@jax.custom_vjp
def _sums(
    a: Float[Array, "*positions c"], b: Float[Array, "*positions c"]
) -> tuple[Float[Array, "*positions"], Float[Array, "*positions"], Float[Array, "*positions"]]:
    """The sums over channels of a * b, a * a and b * b, float32, as one reduction."""
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    zero = jnp.zeros((), jnp.float32)
    return lax.reduce((a * b, a * a, b * b), (zero,) * 3, lambda x, y: tuple(map(jnp.add, x, y)), (a.ndim - 1,))


def _sums_backward(maps: tuple[Array, Array], gradients: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    a, b = (x.astype(jnp.float32) for x in maps)
    product, square_a, square_b = (g[..., None] for g in gradients)
    d_a, d_b = product * b + 2 * square_a * a, product * a + 2 * square_b * b
    return d_a.astype(maps[0].dtype), d_b.astype(maps[1].dtype)


_sums.defvjp(lambda a, b: (_sums(a, b), (a, b)), _sums_backward)


def grids_align(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether one (height, width) grid is a whole multiple of the other in both directions.

    >>> grids_align((8, 8), (4, 4)), grids_align((7, 7), (4, 4))
    (True, False)
    """
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
