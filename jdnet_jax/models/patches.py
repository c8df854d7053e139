"""Images cut into patches that do not overlap, each mapped linearly."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers, lowering
from jdnet_jax.models.convolution import convolve
from jdnet_jax.models.initializers import Initializer
from jdnet_jax.models.parameter import Parameter


class PatchConv(nn.Module):
    """Convolution whose stride is the side of its kernel, with a bias: one matrix product over the patches.

    Attributes:
        features: output channels.
        side: side of a patch in pixels.
        kernel_init: initialiser of the kernel; the bias starts at zero.
        dtype: dtype of the computation.
    """

    features: int
    side: int
    kernel_init: Initializer
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"]) -> Float[Array, "batch rows cols c_out"]:
        """Returns the patches' features in `dtype`; pixels after the last whole patch are ignored."""
        shape = (self.side, self.side, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32).astype(self.dtype)
        bias = self.param("bias", initializers.zeros, (self.features,), jnp.float32).astype(self.dtype)
        return self._convolve(x.astype(self.dtype), kernel) + bias[None, None, None]

    def _convolve(self, x: Array, kernel: Parameter) -> Array:
        side = self.side
        if not lowering.cpu_forms():
            return convolve(x, kernel, side, ((0, 0), (0, 0)))
        batch, rows, cols, channels = x.shape[0], x.shape[1] // side, x.shape[2] // side, x.shape[3]
        cut = x[:, : rows * side, : cols * side].reshape(batch, rows, side, cols, side, channels)
        patches = cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch * rows * cols, side * side * channels)
        return (patches @ kernel.reshape(-1, self.features)).reshape(batch, rows, cols, self.features)
