"""BatchNorm followed by an activation, as one layer with a custom gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models import initializers
from jdnet_jax.models.initializers import Initializer

Activation = Literal["none", "relu", "relu6", "silu", "hard_swish"]

#: From scale, bias, epsilon, activation and the mapped axis to the layer's output, the batch's mean and its variance.
Normalize = Callable[[Array, Array, float, Activation, str | None], tuple[Array, Array, Array]]

_AXES = (0, 1, 2)


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy, ICML 2015), then an activation.

    Both are one layer because that is twice as fast on the CPU, where memory is the bottleneck: the activation's input
    is computed again in the backward pass rather than stored.
    Statistics are biased and float32; running statistics are `momentum * old + (1 - momentum) * batch`.

    Attributes:
        epsilon: added to the variance.
        activation: `none`, `relu`, `relu6`, `silu` or `hard_swish`; the gradient at a corner of ReLU is zero.
        momentum: momentum of the running statistics.
        axis_name: mapped axis over which the statistics are averaged; None keeps them per device.
        dtype: dtype of the result.
        scale_init: initialiser of the scale.
    """

    epsilon: float
    activation: Activation = "none"
    momentum: float = 0.9
    axis_name: str | None = None
    dtype: Any = jnp.float32
    scale_init: Initializer = initializers.ones

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool, normalize: Normalize | None = None
    ) -> Float[Array, "batch height width channels"]:
        """Normalises, in training with the batch's statistics, which update the running ones; otherwise with these.

        Args:
            x: the feature maps.
            train: whether it is training.
            normalize: computes the layer's output for `x` in training; None for plain batch norm.
        """
        shape = (x.shape[-1],)
        running_mean = self.variable("batch_stats", "mean", initializers.zeros, None, shape)
        running_var = self.variable("batch_stats", "var", initializers.ones, None, shape)
        scale = self.param("scale", self.scale_init, shape, jnp.float32)
        bias = self.param("bias", initializers.zeros, shape, jnp.float32)
        x = x.astype(self.dtype)
        if not train:
            factor, offset = affine(running_mean.value, running_var.value, scale, bias, self.epsilon)
            return activate(x.astype(jnp.float32) * factor + offset, self.activation).astype(self.dtype)
        axis_name = None if self.is_initializing() else self.axis_name
        normalize = normalize or functools.partial(_normalize, x)
        y, mean, var = normalize(scale, bias, self.epsilon, self.activation, axis_name)
        if not self.is_initializing():
            for running, batch in ((running_mean, mean), (running_var, var)):
                running.value = self.momentum * running.value + (1 - self.momentum) * lax.stop_gradient(batch)
        return y

    def slope(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch height width channels"]:
        """The derivative of each value of the result with respect to its input, with constant statistics.

        Call it after the layer itself, with the same arguments; the result is float32.
        """
        wide = x.astype(jnp.float32)
        scale: Array = self.get_variable("params", "scale")
        bias: Array = self.get_variable("params", "bias")
        mean: Array = self.get_variable("batch_stats", "mean")
        var: Array = self.get_variable("batch_stats", "var")
        if train:
            mean, var = lax.stop_gradient(_moments(wide, None if self.is_initializing() else self.axis_name))
        factor, offset = affine(mean, var, scale, bias, self.epsilon)
        return pass_gradient(wide * factor + offset, self.activation, jnp.broadcast_to(factor, x.shape))


def _moments(x: Array, axis_name: str | None) -> tuple[Array, Array]:
    """Mean and variance of each channel."""
    mean, square = jnp.mean(x, _AXES), jnp.mean(lax.square(x), _AXES)
    mean, square = averaged((mean, square), axis_name)
    return mean, jnp.maximum(square - lax.square(mean), 0.0)


def averaged(pair: tuple[Array, Array], axis_name: str | None) -> tuple[Array, Array]:
    """The means over all devices; for one device nothing is sent."""
    return pair if axis_name is None or lax.axis_size(axis_name) == 1 else lax.pmean(pair, axis_name)


def affine(mean: Array, var: Array, scale: Array, bias: Array, epsilon: float) -> tuple[Array, Array]:
    """The pair (factor, offset) with `x * factor + offset == (x - mean) / sqrt(var + epsilon) * scale + bias`."""
    factor = scale * lax.rsqrt(var + epsilon)
    return _over_maps(factor), _over_maps(bias - mean * factor)


def _over_maps(vector: Array) -> Array:
    """Values of the channels, shaped to broadcast over feature maps."""
    return vector[None, None, None]


#: SiLU: Elfwing et al., 2017; hard swish, x ReLU6(x + 3) / 6: Howard et al., ICCV 2019.
_ACTIVATIONS: Mapping[Activation, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "relu": lambda x: jnp.maximum(x, 0.0),
    "relu6": lambda x: jnp.clip(x, 0.0, 6.0),
    "silu": nn.silu,
    "hard_swish": nn.hard_swish,
}


def activate(x: Array, activation: Activation) -> Array:
    """Applies an activation, in the dtype of `x`."""
    return _ACTIVATIONS[activation](x)


def pass_gradient(x: Array, activation: Activation, gradient: Array) -> Array:
    """The gradient that passes the activation, whose input was `x`."""
    if activation in ("relu", "relu6"):
        is_open = x > 0 if activation == "relu" else (x > 0) & (x < 6)
        return jnp.where(is_open, gradient, 0.0)
    return jax.vjp(_ACTIVATIONS[activation], x)[1](gradient)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _normalize(
    x: Array, scale: Array, bias: Array, epsilon: float, activation: Activation, axis_name: str | None
) -> tuple[Array, Array, Array]:
    """The layer in training: its output, the batch's mean and variance (both without gradient)."""
    return _forward(x, scale, bias, epsilon, activation, axis_name)[0]


def _forward(
    x: Array, scale: Array, bias: Array, epsilon: float, activation: Activation, axis_name: str | None
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    wide = x.astype(jnp.float32)
    mean, var = _moments(wide, axis_name)
    factor, offset = affine(mean, var, scale, bias, epsilon)
    y = activate(wide * factor + offset, activation).astype(x.dtype)
    return (y, mean, var), (x, scale, bias, mean, var)


def _backward(
    epsilon: float,
    activation: Activation,
    axis_name: str | None,
    residuals: tuple[Array, ...],
    gradients: tuple[Array, Array, Array],
) -> tuple[Array, Array, Array]:
    """dx = factor * (g - mean(g) - xhat * mean(g * xhat)), xhat = (x - mean) / deviation, g past the activation."""
    x, scale, bias, mean, var = residuals
    wide, inverse = x.astype(jnp.float32), lax.rsqrt(var + epsilon)
    factor, offset = affine(mean, var, scale, bias, epsilon)
    g = pass_gradient(wide * factor + offset, activation, gradients[0].astype(jnp.float32))
    d_bias = jnp.sum(g, _AXES)
    d_scale = (jnp.sum(g * wide, _AXES) - mean * d_bias) * inverse
    count = x.size // x.shape[-1]
    mean_g, mean_g_xhat = d_bias / count, d_scale / count
    mean_g, mean_g_xhat = averaged((mean_g, mean_g_xhat), axis_name)
    slope = inverse * mean_g_xhat
    dx = factor * (g - _over_maps(mean_g - mean * slope) - wide * _over_maps(slope))
    return dx.astype(x.dtype), d_scale, d_bias


_normalize.defvjp(_forward, _backward)
