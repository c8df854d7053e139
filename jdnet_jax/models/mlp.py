"""The perceptron of transformer blocks, which ConvNeXt's blocks have too."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers, lowering
from jdnet_jax.models.pointwise import token_product

#: Normal with deviation 0.02: timm's for linear layers of transformers and all kernels of ConvNeXt. (It calls this
#: truncated, but at -2 and 2, which no value reaches.)
linear_init = initializers.normal(0.02)


class Mlp(nn.Module):
    """Linear layer to a width of `expansion` times the input's, GELU, and a linear layer back, at each position.

    Attributes:
        dtype: dtype of the computation.
        expansion: ratio of the hidden width to the input's.
    """

    dtype: Any
    expansion: int = 4

    @nn.compact
    def __call__(self, x: Float[Array, "... channels"]) -> Float[Array, "... channels"]:
        """Returns the output, in `dtype`."""
        dense = functools.partial(nn.Dense, kernel_init=linear_init, dtype=self.dtype, dot_general=token_product)
        wide = gelu(dense(self.expansion * x.shape[-1], name="fc1")(x))
        return dense(x.shape[-1], name="fc2")(wide)


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """GELU (Hendrycks and Gimpel, 2016), x times the normal distribution function, not its approximation by tanh.

    Inside `lowering.plain` it is written without erf, an operation that TensorFlow Lite lacks, with formula 7.1.26 of
    Abramowitz and Stegun (Handbook of Mathematical Functions, 1964), whose error of erf is at most 1.5e-7.
    """
    if not lowering.is_plain():
        return jax.nn.gelu(x, approximate=False)
    size = jnp.abs(x)
    t = 1.0 / (1.0 + (0.3275911 * 0.5**0.5) * size)
    polynomial = t * 1.061405429
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        polynomial = t * (coefficient + polynomial)
    upper_tail = 0.5 * polynomial * jnp.exp(-0.5 * x * x)  # of the normal distribution, at |x|
    return jnp.maximum(x, 0.0) - size * upper_tail
