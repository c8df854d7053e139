"""Convolution in groups: the channels are split into groups, each convolved separately."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models import lowering
from jdnet_jax.models.convolution import convolve
from jdnet_jax.models.padding import Pads
from jdnet_jax.models.parameter import Parameter

#: Input channels that a convolution should have on the CPU: fewer are slow, and more compute too many zeros.
_WIDTH = 32


def grouped_conv(
    x: Float[Array, "batch height width c_in"],
    kernel: Float[Parameter, "k_h k_w c_in_of_a_group c_out"],
    groups: int,
    stride: int,
    pads: Pads,
) -> Float[Array, "batch out_height out_width c_out"]:
    """Convolution in groups (a cross-correlation, as everywhere in deep learning) of images padded with zeros.

    XLA's grouped convolution is slow on the CPU, and the gradient of its kernel a hundred times slower. There it is
    written out as a few ordinary convolutions: of one group each, or of several narrow groups with a kernel that is
    zero between them. Other platforms, and `lowering.plain`, get XLA's grouped convolution.

    Args:
        x: images, or feature maps.
        kernel: the groups' kernels side by side, in the dtype of `x`.
        groups: number of groups; it divides both numbers of channels.
        stride: step of the kernel in pixels.
        pads: rows and columns of zeros around the image.
    """
    if lowering.is_plain():
        return _grouped(x, kernel, groups, stride, pads)
    return _conv(x, kernel, groups, stride, pads)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv(x: Array, kernel: Parameter, groups: int, stride: int, pads: Pads) -> Array:
    # With a custom gradient, because JAX's would store what the backward pass of either form needs.
    forms = [functools.partial(form, groups=groups, stride=stride, pads=pads) for form in (_merged, _grouped)]
    return lax.platform_dependent(x, kernel, cpu=forms[0], default=forms[1])


def _forward(x: Array, kernel: Array, groups: int, stride: int, pads: Pads) -> tuple[Array, tuple[Array, Array]]:
    return _conv(x, kernel, groups, stride, pads), (x, kernel)


def _backward(groups: int, stride: int, pads: Pads, residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    def gradients(form, x: Array, kernel: Array, g: Array) -> tuple[Array, Array]:
        return jax.vjp(functools.partial(form, groups=groups, stride=stride, pads=pads), x, kernel)[1](g)

    merged, grouped = (functools.partial(gradients, form) for form in (_merged, _grouped))
    return lax.platform_dependent(*residuals, g, cpu=merged, default=grouped)


_conv.defvjp(_forward, _backward)


def _grouped(x: Array, kernel: Parameter, groups: int, stride: int, pads: Pads) -> Array:
    return convolve(x, kernel, stride, pads, groups)


def _merged(x: Array, kernel: Parameter, groups: int, stride: int, pads: Pads) -> Array:
    """One convolution for every `merged` groups, which come to `_WIDTH` input channels where groups are narrower."""
    k_h, k_w, inputs, outputs = kernel.shape
    merged = max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * inputs <= _WIDTH))
    # [row, column, input's group, input, convolution, output's group, output]: zero where the two groups differ.
    same_group = jnp.eye(merged, dtype=kernel.dtype).reshape(1, 1, merged, 1, 1, merged, 1)
    kernels = kernel.reshape(k_h, k_w, 1, inputs, groups // merged, merged, outputs // groups) * same_group
    images = jnp.split(x, groups // merged, axis=-1)
    parts = [
        _grouped(image, kernels[:, :, :, :, i].reshape(k_h, k_w, merged * inputs, -1), 1, stride, pads)
        for i, image in enumerate(images)
    ]
    return jnp.concatenate(parts, axis=-1)
