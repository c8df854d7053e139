"""Pointwise (1x1) convolution, as a matrix product over all positions, with a custom gradient for the kernel.

A linear layer at each token is the same thing: `token_product` is for `nn.Dense`.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models import lowering
from jdnet_jax.models.parameter import Parameter

#: The precision of products in true float32: by default TPUs round the factors to bfloat16, GPUs to TF32.
EXACT = lax.Precision.HIGHEST


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def pointwise_conv(
    x: Float[Array, "positions c_in"], kernel: Float[Parameter, "c_in c_out"], precision: lax.Precision | None = None
) -> Float[Array, "positions c_out"]:
    """The product of every position's channels with the kernel.

    The gradient of the kernel, x^T g, sums over the positions. On the CPU XLA's product is slow where its first matrix
    is wide and has to be read by columns, so there x is transposed beforehand; elsewhere the two are one operation.

    Args:
        x: feature maps, flat.
        kernel: in the dtype of `x`.
        precision: precision of this product and of its gradients.
    """
    return jnp.matmul(x, kernel, precision=precision)


def _forward(x: Array, kernel: Array, precision: lax.Precision | None) -> tuple[Array, tuple[Array, Array]]:
    return jnp.matmul(x, kernel, precision=precision), (x, kernel)


def _backward(precision: lax.Precision | None, residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    contracted = functools.partial(_contracted, precision=precision)
    if kernel.shape[0] > kernel.shape[1]:
        d_kernel = lax.platform_dependent(x, g, cpu=_transposed_first, default=contracted)
    else:
        d_kernel = contracted(x, g)
    return lax.dot_general(g, kernel, (((1,), (1,)), ((), ())), precision=precision), d_kernel


def _contracted(x: Array, g: Array, precision: lax.Precision | None) -> Array:
    return lax.dot_general(x, g, (((0,), (0,)), ((), ())), precision=precision)


def _transposed_first(x: Array, g: Array) -> Array:
    # Without the barrier XLA takes the transposition back into the product.
    return lax.optimization_barrier(x.T) @ g


pointwise_conv.defvjp(_forward, _backward)


def token_product(
    x: Float[Array, "*positions c_in"], kernel: Float[Parameter, "c_in c_out"], dimension_numbers: Any, **options: Any
) -> Float[Array, "*positions c_out"]:
    """`lax.dot_general` as `nn.Dense` calls it, over flat positions.

    On the CPU, XLA transposes both factors of a product that contracts several dimensions, as the kernel's gradient
    would: more than half of a transformer's step. Elsewhere, and inside `lowering.plain`, it is `lax.dot_general`:
    XLA's compiler for GPUs finds no tiles for a product after some reshapes.

    Args:
        x: features at each position.
        kernel: in the dtype of `x`.
        dimension_numbers: the last dimension of `x` with the first of the kernel.
        options: options of `lax.dot_general`.
    """
    if not lowering.cpu_forms():
        return lax.dot_general(x, kernel, dimension_numbers, **options)
    return pointwise_conv(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])
