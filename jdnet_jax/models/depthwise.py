"""Depthwise convolution: each channel is filtered with a separate kernel."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models import lowering
from jdnet_jax.models.convolution import convolve
from jdnet_jax.models.padding import Pads
from jdnet_jax.models.parameter import Parameter


def depthwise_conv(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Parameter, "k_h k_w 1 channels"],
    stride: int,
    pads: Pads,
) -> Float[Array, "batch out_height out_width channels"]:
    """Depthwise convolution (a cross-correlation, as everywhere in deep learning) of images padded with zeros.

    XLA's grouped convolution and its gradients are slow on the CPU. There the sum over the kernel's positions is
    written out, as multiply-adds of shifted images in float32; other platforms, and `lowering.plain`, get XLA's
    convolution.

    Args:
        x: images, or feature maps.
        kernel: one kernel for each channel, in the dtype of `x`.
        stride: step of the kernel in pixels.
        pads: rows and columns of zeros around the image.
    """
    if lowering.is_plain():
        return _grouped(x, kernel, stride=stride, pads=pads)
    # The padded image is what the gradient needs: padded here, it is built and stored once.
    return _valid_conv(pad(x, pads), kernel, stride)


def pad(
    x: Float[Array, "batch height width channels"], pads: Pads
) -> Float[Array, "batch padded_height padded_width channels"]:
    """Images with rows and columns of zeros around them, as a `Form` takes them."""
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _valid_conv(x: Array, kernel: Parameter, stride: int) -> Array:
    shifted, grouped = (functools.partial(form.convolve, stride=stride) for form in (SHIFTED, GROUPED))
    return lax.platform_dependent(x, kernel, cpu=shifted, default=grouped)


def _forward(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return _valid_conv(x, kernel, stride), (x, kernel)


def _backward(stride: int, residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    shifted, grouped = (functools.partial(form.gradients, stride=stride) for form in (SHIFTED, GROUPED))
    return lax.platform_dependent(*residuals, g, cpu=shifted, default=grouped)


_valid_conv.defvjp(_forward, _backward)


def _grouped(x: Array, kernel: Parameter, *, stride: int, pads: Pads = ((0, 0), (0, 0))) -> Array:
    return convolve(x, kernel, stride, pads, groups=x.shape[-1])


def _grouped_gradients(x: Array, kernel: Array, g: Array, *, stride: int) -> tuple[Array, Array]:
    return jax.vjp(functools.partial(_grouped, stride=stride), x, kernel)[1](g)


def _window(x: Array, i: int, j: int, stride: int, height: int, width: int) -> Array:
    """Every `stride`-th pixel from (i, j) on: `height` x `width` of them."""
    batch, _, _, channels = x.shape
    end = (batch, i + stride * (height - 1) + 1, j + stride * (width - 1) + 1, channels)
    return lax.slice(x, (0, i, j, 0), end, (1, stride, stride, 1))


def _shifted(x: Array, kernel: Parameter, *, stride: int) -> Array:
    """y[p] = sum_i x[stride * p + i] kernel[i]."""
    k_h, k_w = kernel.shape[:2]
    height, width = (x.shape[1] - k_h) // stride + 1, (x.shape[2] - k_w) // stride + 1
    wide, weights = x.astype(jnp.float32), kernel.astype(jnp.float32)
    terms = [
        _window(wide, i, j, stride, height, width) * weights[i : i + 1, j : j + 1]
        for i in range(k_h)
        for j in range(k_w)
    ]
    return functools.reduce(jnp.add, terms).astype(x.dtype)


def _shifted_gradients(x: Array, kernel: Array, g: Array, *, stride: int) -> tuple[Array, Array]:
    return _input_gradient(x, kernel, g, stride), _kernel_gradient(x, kernel, g, stride)


def _input_gradient(x: Array, kernel: Array, g: Array, stride: int) -> Array:
    """dx[stride * q + r] = sum_t g[q - t] kernel[stride * t + r]: for each phase r a convolution of g."""
    (batch, height, width, channels), (k_h, k_w) = x.shape, kernel.shape[:2]
    rows, cols = -(-height // stride), -(-width // stride)  # in each phase
    t_h, t_w = (k_h - 1) // stride, (k_w - 1) // stride
    border = ((0, 0, 0), (t_h, rows - g.shape[1], 0), (t_w, cols - g.shape[2], 0), (0, 0, 0))
    wide, weights = lax.pad(g, jnp.zeros((), g.dtype), border).astype(jnp.float32), kernel.astype(jnp.float32)

    def phase(r_h: int, r_w: int) -> Array:
        terms = [
            _window(wide, t_h - i // stride, t_w - j // stride, 1, rows, cols) * weights[i : i + 1, j : j + 1]
            for i in range(r_h, k_h, stride)
            for j in range(r_w, k_w, stride)
        ]
        return functools.reduce(jnp.add, terms).astype(x.dtype)

    if stride == 1:
        return phase(0, 0)
    phases = jnp.stack([jnp.stack([phase(r_h, r_w) for r_w in range(stride)], 3) for r_h in range(stride)], 2)
    return phases.reshape(batch, rows * stride, cols * stride, channels)[:, :height, :width]


def _kernel_gradient(x: Array, kernel: Array, g: Array, stride: int) -> Array:
    """dkernel[i] = sum_p x[stride * p + i] g[p]: rows of g one after the other, over columns and examples at the end.

    For each i the products of a row are added to those of the rows before, an operation on whole vectors; XLA would sum
    over all positions one number after the other.
    """
    (batch, height, width, channels), (k_h, k_w) = g.shape, kernel.shape[:2]

    def add(sums: tuple[Array, ...], row: Array) -> tuple[tuple[Array, ...], None]:
        gradient = lax.dynamic_index_in_dim(g, row, 1, keepdims=False).astype(jnp.float32)
        rows = [lax.dynamic_index_in_dim(x, stride * row + i, 1, keepdims=False) for i in range(k_h)]
        windows = [
            lax.slice_in_dim(rows[i], j, j + stride * (width - 1) + 1, stride, 1).astype(jnp.float32)
            for i in range(k_h)
            for j in range(k_w)
        ]
        return tuple(total + window * gradient for total, window in zip(sums, windows, strict=True)), None

    zeros = (jnp.zeros((batch, width, channels), jnp.float32),) * (k_h * k_w)
    sums, _ = lax.scan(add, zeros, jnp.arange(height))
    return jnp.stack([jnp.sum(total, (0, 1)) for total in sums]).reshape(kernel.shape).astype(kernel.dtype)


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to compute the convolution of padded images, and its gradients.

    Attributes:
        convolve: (x, kernel, stride=) -> the result.
        gradients: (x, kernel, g, stride=) -> the gradients of x and kernel; g is the result's gradient.
    """

    convolve: Callable[..., Array]
    gradients: Callable[..., tuple[Array, Array]]


#: Multiply-adds of shifted images: what CPUs get.
SHIFTED = Form(_shifted, _shifted_gradients)
#: XLA's grouped convolution: what the other platforms get.
GROUPED = Form(_grouped, _grouped_gradients)
