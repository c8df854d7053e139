"""Depthwise convolution: each channel is convolved with a kernel of its own."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models.padding import Pads

# NHWC images, HWIO kernels: the layouts of every convolution of the project.
DIMENSION_NUMBERS = ("NHWC", "HWIO", "NHWC")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_conv(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "k_h k_w 1 channels"],
    stride: int,
    pads: Pads,
) -> Float[Array, "batch out_height out_width channels"]:
    """Depthwise convolution (a cross-correlation, as everywhere in deep learning).

    On the CPU, XLA's grouped convolution and both of its gradients are slow; there the sum over the kernel's positions
    is written out as multiply-adds of shifted images. Other platforms get XLA's convolution.
    """
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_shifted, stride=stride, pads=pads),
        default=functools.partial(_grouped, stride=stride, pads=pads),
    )


def _grouped(x: Array, kernel: Array, *, stride: int, pads: Pads) -> Array:
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=DIMENSION_NUMBERS, feature_group_count=x.shape[-1]
    )


def _window(x: Array, i: int, j: int, stride: int, out: tuple[int, int]) -> Array:
    batch, _, _, channels = x.shape
    end = (batch, i + stride * (out[0] - 1) + 1, j + stride * (out[1] - 1) + 1, channels)
    return lax.slice(x, (0, i, j, 0), end, (1, stride, stride, 1))


def _out_size(x: Array, kernel: Array, stride: int, pads: Pads) -> tuple[int, int]:
    return tuple((x.shape[1 + a] + sum(pads[a]) - kernel.shape[a]) // stride + 1 for a in range(2))  # type: ignore


def _pad(x: Array, pads: Pads) -> Array:
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))


def _shifted(x: Array, kernel: Array, *, stride: int, pads: Pads) -> Array:
    out = _out_size(x, kernel, stride, pads)
    padded = _pad(x, pads).astype(jnp.float32)
    weights = kernel.astype(jnp.float32)
    total = jnp.zeros((), jnp.float32)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            total = total + _window(padded, i, j, stride, out) * weights[i, j]
    return total.astype(x.dtype)


def _fwd(x: Array, kernel: Array, stride: int, pads: Pads) -> tuple[Array, Any]:
    return depthwise_conv(x, kernel, stride, pads), (x, kernel)


def _bwd(stride: int, pads: Pads, residuals: Any, g: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    return lax.platform_dependent(
        x,
        kernel,
        g,
        cpu=functools.partial(_shifted_bwd, stride=stride, pads=pads),
        default=functools.partial(_grouped_bwd, stride=stride, pads=pads),
    )


def _grouped_bwd(x: Array, kernel: Array, g: Array, *, stride: int, pads: Pads) -> tuple[Array, Array]:
    _, vjp = jax.vjp(functools.partial(_grouped, stride=stride, pads=pads), x, kernel)
    return vjp(g)


def _shifted_bwd(x: Array, kernel: Array, g: Array, *, stride: int, pads: Pads) -> tuple[Array, Array]:
    return _input_gradient(x, kernel, g, stride, pads), _kernel_gradient(x, kernel, g, stride, pads)


def _input_gradient(x: Array, kernel: Array, g: Array, stride: int, pads: Pads) -> Array:
    """dx[s q + r] = sum_t g[q - t] kernel[r + s t]: one convolution of g for each phase r of the stride."""
    k_h, k_w = kernel.shape[:2]
    h, w = x.shape[1] + sum(pads[0]), x.shape[2] + sum(pads[1])
    q_h, q_w = -(-h // stride), -(-w // stride)
    t_h, t_w = (k_h - 1) // stride, (k_w - 1) // stride
    g = _pad(g, ((t_h, q_h - g.shape[1]), (t_w, q_w - g.shape[2]))).astype(jnp.float32)
    weights = kernel.astype(jnp.float32)
    rows = []
    for r in range(stride):
        cols = []
        for c in range(stride):
            total = jnp.zeros((g.shape[0], q_h, q_w, g.shape[3]), jnp.float32)
            for i in range(r, k_h, stride):
                for j in range(c, k_w, stride):
                    window = _window(g, t_h - i // stride, t_w - j // stride, 1, (q_h, q_w))
                    total = total + window * weights[i, j]
            cols.append(total.astype(x.dtype))
        rows.append(cols[0] if stride == 1 else jnp.stack(cols, 3))
    dx = rows[0] if stride == 1 else jnp.stack(rows, 2)
    dx = dx.reshape(x.shape[0], q_h * stride, q_w * stride, x.shape[3])
    (top, _), (left, _) = pads
    return dx[:, top : top + x.shape[1], left : left + x.shape[2]]


def _kernel_gradient(x: Array, kernel: Array, g: Array, stride: int, pads: Pads) -> Array:
    out = (g.shape[1], g.shape[2])
    padded = _pad(x, pads).astype(jnp.float32)
    g = g.astype(jnp.float32)
    sums = [
        jnp.sum(_window(padded, i, j, stride, out) * g, (0, 1, 2))
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    return jnp.stack(sums).reshape(kernel.shape).astype(kernel.dtype)


depthwise_conv.defvjp(_fwd, _bwd)
