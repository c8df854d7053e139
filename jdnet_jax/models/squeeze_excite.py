"""Squeeze-and-excitation (Hu et al., CVPR 2018): each channel is scaled by a factor that depends on the whole image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation, activate
from jdnet_jax.models.layers import Conv

Gate = Literal["sigmoid", "hard_sigmoid"]

#: Hard sigmoid, ReLU6(x + 3) / 6: Howard et al., ICCV 2019.
_GATES: Mapping[Gate, Callable[[Array], Array]] = {"sigmoid": nn.sigmoid, "hard_sigmoid": nn.hard_sigmoid}


class SqueezeExcite(nn.Module):
    """x * gate(expand(activation(reduce(mean(x))))), with two 1x1 convolutions with bias; the mean is float32.

    Attributes:
        reduced: channels between the two convolutions.
        activation: between them.
        gate: `sigmoid` or `hard_sigmoid`; its values are in [0, 1].
        names: names of the two convolutions.
        dtype: dtype of the computation.
    """

    reduced: int
    activation: Activation = "relu"
    gate: Gate = "sigmoid"
    names: tuple[str, str] = ("fc1", "fc2")
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch height width channels"]:
        """Returns `x` with its channels scaled, in `dtype`."""
        reduce, expand = self.names
        squeezed = jnp.mean(x, (1, 2), dtype=jnp.float32, keepdims=True)
        y = Conv(self.reduced, 1, dtype=self.dtype, use_bias=True, name=reduce)(squeezed)
        y = Conv(x.shape[-1], 1, dtype=self.dtype, use_bias=True, name=expand)(activate(y, self.activation))
        return x.astype(self.dtype) * _GATES[self.gate](y)
