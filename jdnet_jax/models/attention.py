"""Attention over tokens: of all tokens to all, and of a learned probe that pools them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import lowering
from jdnet_jax.models.layer_norm import layer_norm
from jdnet_jax.models.mlp import Mlp, linear_init
from jdnet_jax.models.pointwise import token_product

Tokens = Float[Array, "batch tokens channels"]
Attention = Float[Array, "batch heads queries keys"]


# XLA for GPUs fuses the projection after attention with the transposition before it, over the tokens of all images; the
# fusion's tiles of 16 must end where an image ends ("Couldn't find output tile sizes").
_GPU_TILE = 16


def attend(
    queries: Float[Array, "batch queries heads d"],
    keys: Float[Array, "batch keys heads d"],
    values: Float[Array, "batch keys heads d"],
    count: int | None = None,
) -> tuple[Float[Array, "batch queries channels"], Attention]:
    """Scaled dot-product attention with a softmax in float32.

    Args:
        queries: one for each attending token.
        keys: one for each token attended to.
        values: one for each key.
        count: number of keys that are tokens; those after them are padding. None for all.

    Returns:
        the heads' averages of the values, side by side, and the weights of these averages.
    """
    scaled = queries * jnp.asarray(queries.shape[-1] ** -0.5, queries.dtype)
    scores = _scores(scaled, keys)
    if count is not None and count < keys.shape[1]:
        scores = jnp.where(jnp.arange(keys.shape[1]) < count, scores, -jnp.inf)
    weights = jax.nn.softmax(scores)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(values.dtype), values)
    return mixed.reshape(*mixed.shape[:2], -1), weights


@jax.custom_vjp
def _scores(
    queries: Float[Array, "batch queries heads d"], keys: Float[Array, "batch keys heads d"]
) -> Float[Array, "batch heads queries keys"]:
    """The products of queries and keys, float32 from the sums on."""
    return jnp.einsum("bqhd,bkhd->bhqk", queries, keys, preferred_element_type=jnp.float32)


def _scores_backward(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    """The gradient of `_scores`, with products in the dtype of queries and keys; JAX's would be in float32."""
    queries, keys = residuals
    return jax.vjp(functools.partial(jnp.einsum, "bqhd,bkhd->bhqk"), queries, keys)[1](g.astype(queries.dtype))


_scores.defvjp(lambda queries, keys: (_scores(queries, keys), (queries, keys)), _scores_backward)


class SelfAttention(nn.Module):
    """Multi-head attention of all tokens to all tokens.

    Attributes:
        heads: number of heads.
        dtype: dtype of the computation.
    """

    heads: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens) -> tuple[Tokens, Attention]:
        """Returns the output and the attention."""
        dense = functools.partial(nn.Dense, kernel_init=linear_init, dtype=self.dtype, dot_general=token_product)
        count = x.shape[1]
        if lowering.on_gpu():
            x = jnp.pad(x, ((0, 0), (0, -count % _GPU_TILE), (0, 0)))
        qkv = dense(3 * x.shape[-1], name="qkv")(x).reshape(*x.shape[:2], 3, self.heads, -1)
        mixed, weights = attend(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], count)
        return dense(x.shape[-1], name="proj")(mixed)[:, :count], weights[..., :count, :count]


class AttentionPool(nn.Module):
    """A learned probe attends to all patches; then a perceptron, added (Zhai et al., CVPR 2022).

    Attributes:
        heads: number of heads.
        dtype: dtype of the computation.
    """

    heads: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Tokens) -> tuple[Float[Array, "batch channels"], Attention]:
        """Returns the pooled features and the probe's attention."""
        batch, _, width = x.shape
        dense = functools.partial(nn.Dense, kernel_init=linear_init, dtype=self.dtype, dot_general=token_product)
        probe = self.param("latent", nn.initializers.truncated_normal(width**-0.5), (1, 1, width), jnp.float32)
        queries = dense(width, name="q")(probe).reshape(1, 1, self.heads, -1)
        kv = dense(2 * width, name="kv")(x).reshape(*x.shape[:2], 2, self.heads, -1)
        queries = jnp.broadcast_to(queries, (batch, *queries.shape[1:]))
        mixed, weights = attend(queries, kv[:, :, 0], kv[:, :, 1])
        pooled = dense(width, name="proj")(mixed)
        pooled = pooled + Mlp(self.dtype, name="mlp")(layer_norm(self.dtype, "norm")(pooled))
        return pooled[:, 0], weights
