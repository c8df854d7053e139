"""The layers that the networks are built from; each keeps parameters in float32 and computes in `dtype`."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models import initializers, lowering
from jdnet_jax.models import padding as padding_rules
from jdnet_jax.models.convolution import convolve
from jdnet_jax.models.depthwise import depthwise_conv
from jdnet_jax.models.grouped import grouped_conv
from jdnet_jax.models.initializers import Initializer
from jdnet_jax.models.padding import Padding
from jdnet_jax.models.parameter import Parameter
from jdnet_jax.models.pointwise import EXACT, pointwise_conv
from jdnet_jax.process.errors import UserError


class Conv(nn.Module):
    """Convolution; on the CPU 1x1 kernels of one group are computed as matrix products.

    Attributes:
        features: output channels.
        kernel_size: side of the kernel in pixels.
        stride: step of the kernel in pixels.
        padding: the rule of `padding.resolve`.
        dtype: dtype of the computation.
        groups: number of groups of channels, each convolved separately.
        use_bias: whether a bias is added; none is needed where BatchNorm follows.
        precision: precision of the products of one group; `EXACT` where float32 is promised.
    """

    features: int
    kernel_size: int
    stride: int = 1
    padding: Padding = "symmetric"
    dtype: Any = jnp.float32
    groups: int = 1
    use_bias: bool = False
    precision: lax.Precision | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"]) -> Float[Array, "batch out_h out_w c_out"]:
        """Returns the convolution of `x` in `dtype`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1] // self.groups, self.features)
        # He et al. (ICCV 2015), backward form: variance 2 / fan_out. A group's is its share of the output channels.
        init = initializers.normal((2 / (self.kernel_size**2 * self.features / self.groups)) ** 0.5)
        kernel = self.param("kernel", init, shape, jnp.float32)
        y = self._convolve(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", initializers.zeros, (self.features,), jnp.float32)
        return y + bias.astype(self.dtype)[None, None, None]

    def _convolve(self, x: Array, kernel: Parameter) -> Array:
        # On the CPU alone: XLA's compiler for GPUs crashes on a slice before a product, or finds no tiles for it.
        if self.kernel_size == 1 and self.groups == 1 and lowering.cpu_forms():
            x = x[:, :: self.stride, :: self.stride]
            # Flat, because XLA transposes the gradient for a product that contracts several dimensions.
            y = pointwise_conv(x.reshape(-1, x.shape[-1]), kernel[0, 0], self.precision)
            return y.reshape(*x.shape[:-1], self.features)
        pads = padding_rules.resolve(self.padding, (x.shape[1], x.shape[2]), self.kernel_size, self.stride)
        if self.groups > 1:
            return grouped_conv(x, kernel, self.groups, self.stride, pads)
        return convolve(x, kernel, self.stride, pads, precision=self.precision)


class DepthwiseConv(nn.Module):
    """Depthwise convolution.

    Attributes:
        kernel_size: side of the kernels in pixels.
        stride: step of the kernels in pixels.
        padding: the rule of `padding.resolve`.
        dtype: dtype of the computation.
        use_bias: whether a bias is added; none is needed where BatchNorm follows.
        kernel_init: initialiser of the kernels; None for He's.
    """

    kernel_size: int
    stride: int = 1
    padding: Padding = "symmetric"
    dtype: Any = jnp.float32
    use_bias: bool = False
    kernel_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch out_h out_w channels"]:
        """Returns the depthwise convolution of `x` in `dtype`."""
        # The fan-out of a depthwise kernel is its area: each input channel feeds one output channel.
        init = self.kernel_init or initializers.normal((2 / self.kernel_size**2) ** 0.5)
        kernel = self.param("kernel", init, (self.kernel_size, self.kernel_size, 1, x.shape[-1]), jnp.float32)
        pads = padding_rules.resolve(self.padding, (x.shape[1], x.shape[2]), self.kernel_size, self.stride)
        y = depthwise_conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, pads)
        if not self.use_bias:
            return y
        bias = self.param("bias", initializers.zeros, (x.shape[-1],), jnp.float32)
        return y + bias.astype(self.dtype)[None, None, None]


def max_pool(
    x: Float[Array, "batch height width channels"], window: int = 3, stride: int = 2, padding: int = 1
) -> Float[Array, "batch out_h out_w channels"]:
    """Max-pooling; the default is ResNet's, 3x3 with stride 2 and one pixel of padding on every side.

    On the CPU, where the gradient of XLA's window reduction is slow, the maximum over rows, then over columns, of as
    many shifted images as the window is wide; where values tie, the gradient is shared. Other platforms, and
    `lowering.plain`, get that window reduction, which gives the gradient to one of them.

    Args:
        x: the feature maps.
        window: side of the window in pixels.
        stride: step of the window in pixels.
        padding: pixels on every side that lose against every value.

    Raises:
        UserError: no window fits.
    """
    _check_window_fits(x, window, padding)
    if not lowering.cpu_forms():
        return nn.max_pool(x, (window, window), (stride, stride), ((padding, padding), (padding, padding)))
    for axis in (1, 2):
        border = [(0, 0, 0)] * x.ndim
        border[axis] = (padding, padding, 0)
        padded = lax.pad(x, jnp.array(-jnp.inf, x.dtype), border) if padding else x
        x = functools.reduce(jnp.maximum, _shifted(padded, axis, window, stride))
    return x


def average_pool(x: Float[Array, "batch height width channels"]) -> Float[Array, "batch out_h out_w channels"]:
    """2x2 average pooling with stride 2; the last row or column of an odd side is left out. Sums are float32.

    A mean over two axes of a reshape: the gradient of XLA's window reduction is slow on the CPU. Inside
    `lowering.plain` it is that window reduction.

    Raises:
        UserError: no window fits.
    """
    _check_window_fits(x, 2, 0)
    if lowering.is_plain():
        return nn.avg_pool(x, (2, 2), (2, 2))
    batch, height, width, channels = x.shape
    pairs = x[:, : height // 2 * 2, : width // 2 * 2].reshape(batch, height // 2, 2, width // 2, 2, channels)
    return jnp.mean(pairs, (2, 4), dtype=jnp.float32).astype(x.dtype)


def _shifted(x: Array, axis: int, window: int, stride: int) -> list[Array]:
    """For each position in the window along `axis`, the values there at all steps of the window."""
    last = (x.shape[axis] - window) // stride * stride
    return [lax.slice_in_dim(x, i, i + last + 1, stride, axis) for i in range(window)]


def _check_window_fits(x: Array, window: int, padding: int) -> None:
    height, width = x.shape[1:3]
    if min(height, width) + 2 * padding < window:
        raise UserError(
            f"the images are too small for this network: {height}x{width} pixels are left of them where it pools "
            f"windows of {window}x{window}; use larger images"
        )


class Dropout(nn.Module):
    """Dropout (Srivastava et al., JMLR 2014) whose masks do not depend on how the batch is split over devices.

    Each example's mask is drawn from a separate key: the `dropout` key folded with the example's position in the
    global batch. The `dropout` key must therefore be the same on every device.

    Attributes:
        rate: probability that a value is dropped, in [0, 1).
        data_axis: mapped axis that splits the batch; None where one device holds all of it.
    """

    rate: float
    data_axis: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "batch features"], *, train: bool) -> Float[Array, "batch features"]:
        """Returns `x` with values dropped and the others scaled by 1 / (1 - rate); `x` itself outside training."""
        if not train or self.rate == 0:
            return x
        keep = _keep(self, x.shape, self.rate, self.data_axis)
        return jnp.where(keep, x / (1 - self.rate), jnp.zeros((), x.dtype))


class StochasticDepth(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016): the residual branch of an example is left out as a whole.

    Which examples lose it does not depend on how the batch is split over devices, see `Dropout`.

    Attributes:
        rate: probability that a branch is left out, in [0, 1).
        data_axis: mapped axis that splits the batch; None where one device holds all of it.
    """

    rate: float
    data_axis: str | None = None

    @nn.compact
    def __call__(self, branch: Float[Array, "batch ..."], *, train: bool) -> Float[Array, "batch ..."]:
        """Returns zeros or `branch / (1 - rate)` for each example; `branch` itself outside training."""
        if not train or self.rate == 0:
            return branch
        keep = _keep(self, (branch.shape[0], *[1] * (branch.ndim - 1)), self.rate, self.data_axis)
        return jnp.where(keep, branch / (1 - self.rate), jnp.zeros((), branch.dtype))


def _keep(layer: nn.Module, shape: tuple[int, ...], rate: float, data_axis: str | None) -> Array:
    """Random booleans of `shape`, true with probability 1 - rate, drawn from a separate key for each example."""
    shard = 0 if data_axis is None or layer.is_initializing() else lax.axis_index(data_axis)
    positions = shard * shape[0] + jnp.arange(shape[0])
    key = layer.make_rng("dropout")

    def keep_one(position: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, position), 1 - rate, shape[1:])

    return jax.vmap(keep_one)(positions)


class Classifier(nn.Module):
    """The linear head, float32. Its kernel starts normal with deviation 0.01 and its bias at zero (Goyal et al., 2017).

    Attributes:
        num_classes: length of the logits.
    """

    num_classes: int

    @nn.compact
    def __call__(
        self, features: Float[Array, "batch channels"]
    ) -> tuple[Float[Array, "batch classes"], Float[Parameter, "channels classes"]]:
        """Returns the logits and the kernel that made them."""
        shape = (features.shape[-1], self.num_classes)
        kernel = self.param("kernel", initializers.normal(0.01), shape, jnp.float32)
        bias = self.param("bias", initializers.zeros, (self.num_classes,), jnp.float32)
        return jnp.matmul(features.astype(jnp.float32), kernel, precision=EXACT) + bias[None], kernel
