"""A 1x1 convolution and the batch norm after it, with the statistics taken from the convolution's input (OURS).

An accelerator's step is limited by memory, and a convolution that widens its input writes a map that is larger than all
else of its block. Batch norm reads that map for its statistics and again in the backward pass. The product y = x W is
linear, so all of that follows from the narrow x: with the Gram matrix G = x^T x over positions and P = x^T g,

    sum(y) = sum(x) W,  sum(y^2) = diag(W^T G W),  sum(g y) = diag(W^T P),

and with batch norm's gradient dy = f (g - a - b y), of one f, a and b for each channel,

    dW = x^T dy = (P - sum(x) a - G W b) f,  dx = dy W^T = g (W f)^T - a f W^T - x (W f b) W^T.

So y is neither kept nor read again, and its batch norm is a part of the convolution's own pass.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jdnet_jax.models import batch_norm, lowering
from jdnet_jax.models.batch_norm import Activation, BatchNorm
from jdnet_jax.models.convolution import convolve
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.pointwise import EXACT

_AXES = (0, 1, 2)


def product_norm(
    conv: Conv, norm: BatchNorm, x: Float[Array, "batch height width c_in"], *, train: bool
) -> Float[Array, "batch out_h out_w c_out"]:
    """`norm(conv(x))`, for training in bfloat16 on TPUs as described above.

    That is for a 1x1 convolution that at least doubles the channels, and for maps with more positions than the result
    has channels: the products of the Gram matrix and the kernel cost the same for any number of positions.
    """
    y = conv(x)
    widens = conv.kernel_size == conv.stride == conv.groups == 1 and 2 * x.shape[-1] <= conv.features
    if not (train and widens and conv.dtype == norm.dtype == jnp.bfloat16 and lowering.on_tpu()):
        return norm(y, train=train)
    if x.size // x.shape[-1] <= conv.features:
        return norm(y, train=train)
    kernel: Array = conv.get_variable("params", "kernel")
    return norm(y, train=train, normalize=functools.partial(_normalize, x.astype(norm.dtype), kernel[0, 0]))


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5, 6))
def _normalize(
    x: Array, kernel: Array, scale: Array, bias: Array, epsilon: float, activation: Activation, axis_name: str | None
) -> tuple[Array, Array, Array]:
    """The output, and the batch's mean and variance (both without gradient)."""
    return _forward(x, kernel, scale, bias, epsilon, activation, axis_name)[0]


def _forward(
    x: Array, kernel: Array, scale: Array, bias: Array, epsilon: float, activation: Activation, axis_name: str | None
) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    kernel = kernel.astype(x.dtype).astype(jnp.float32)  # as the convolution takes it
    count = x.size // x.shape[-1]
    sums, gram_kernel = _summed(x), _exact(_over_positions(x, x), kernel)
    mean, square = _exact(sums, kernel) / count, jnp.sum(kernel * gram_kernel, 0) / count
    mean, square = batch_norm.averaged((mean, square), axis_name)
    var = jnp.maximum(square - lax.square(mean), 0.0)
    factor, offset = batch_norm.affine(mean, var, scale, bias, epsilon)
    # The activation's input is kept, not its output: not all can be told apart from that.
    before = (_product(x, kernel, jnp.float32) * factor + offset).astype(x.dtype)
    y = batch_norm.activate(before.astype(jnp.float32), activation).astype(x.dtype)
    return (y, mean, var), (x, before, kernel, scale, mean, var, sums, gram_kernel)


def _backward(
    epsilon: float,
    activation: Activation,
    axis_name: str | None,
    residuals: tuple[Array, ...],
    gradients: tuple[Array, Array, Array],
) -> tuple[Array, Array, Array, Array]:
    x, before, kernel, scale, mean, var, sums, gram_kernel = residuals
    g, wide = gradients[0], before.astype(jnp.float32)
    if activation == "relu6":  # one comparison: of two, XLA reads the map twice
        g = jnp.where(wide * (6.0 - wide) > 0.0, g, jnp.zeros((), g.dtype))
    elif activation != "none":
        g = batch_norm.pass_gradient(wide, activation, g.astype(jnp.float32)).astype(x.dtype)
    count, inverse = x.size // x.shape[-1], lax.rsqrt(var + epsilon)
    x_g, d_bias = _over_positions(x, g), _summed(g)
    d_scale = (jnp.sum(kernel * x_g, 0) - mean * d_bias) * inverse
    mean_g, mean_g_xhat = batch_norm.averaged((d_bias / count, d_scale / count), axis_name)
    factor, b = scale * inverse, inverse * mean_g_xhat
    a = mean_g - mean * b
    d_kernel = (x_g - sums[:, None] * a[None] - gram_kernel * b[None]) * factor[None]
    through = _exact(kernel * (factor * b)[None], kernel.T)
    dx = _product(g, (kernel * factor[None]).T, jnp.float32) - _product(x, through, x.dtype).astype(jnp.float32)
    dx = dx - _exact(factor * a, kernel.T)[None, None, None]
    return dx.astype(x.dtype), d_kernel, d_scale, d_bias


_normalize.defvjp(_forward, _backward)

_exact = functools.partial(jnp.matmul, precision=EXACT)


def _summed(x: Array) -> Array:
    """The sum of each channel, float32."""
    return jnp.sum(x.astype(jnp.float32), _AXES)


def _over_positions(a: Array, b: Array) -> Array:
    """The product a^T b of channels by channels, summed over positions in float32."""
    return lax.dot_general(a, b, ((_AXES, _AXES), ((), ())), preferred_element_type=jnp.float32)


def _product(x: Array, matrix: Array, dtype: DTypeLike) -> Array:
    """Each position's channels, times a matrix that is rounded to the dtype of `x`."""
    return convolve(x, matrix.astype(x.dtype)[None, None], 1, ((0, 0), (0, 0)), dtype=dtype)
