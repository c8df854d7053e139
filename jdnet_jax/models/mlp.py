"""The perceptron of transformer blocks, which ConvNeXt's blocks have too."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import lowering

#: Normal with deviation 0.02, cut off at two deviations: timm's for linear layers of transformers and all of ConvNeXt.
truncated_normal = nn.initializers.truncated_normal(0.02)


class Mlp(nn.Module):
    """Linear layer to a width of `expansion` times the input's, GELU, and a linear layer back, at each position.

    Attributes:
        dtype: dtype of the computation.
        expansion: how many times wider it is inside.
    """

    dtype: Any
    expansion: int = 4

    @nn.compact
    def __call__(self, x: Float[Array, "... channels"]) -> Float[Array, "... channels"]:
        """Returns the output, in `dtype`."""
        dense = functools.partial(nn.Dense, kernel_init=truncated_normal, dtype=self.dtype)
        wide = gelu(dense(self.expansion * x.shape[-1], name="fc1")(x))
        return dense(x.shape[-1], name="fc2")(wide)


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """GELU (Hendrycks and Gimpel, 2016) with the exact distribution function, not its approximation by tanh.

    Inside `lowering.plain` it is written with erf as converters know it; JAX writes erfc.
    """
    if lowering.is_plain():
        return x * 0.5 * (1.0 + jax.lax.erf(x * jnp.asarray(0.5**0.5, x.dtype)))
    return jax.nn.gelu(x, approximate=False)
