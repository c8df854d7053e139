"""Shared parts of the blocks of mobile networks: their description in a table, and the network's settings."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from flax import linen as nn

from jdnet_jax.models.batch_norm import Activation, BatchNorm
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.padding import Padding


@dataclasses.dataclass(frozen=True)
class BlockSettings:
    """The settings that all blocks of a network share; its methods create the layers of the calling block.

    Attributes:
        padding: rule of the convolutions.
        epsilon: BatchNorm's.
        momentum: BatchNorm's.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    padding: Padding = "symmetric"
    epsilon: float = 1e-5
    momentum: float = 0.9
    dtype: Any = jnp.float32
    axis_name: str | None = None

    def conv(self, features: int, kernel_size: int, stride: int = 1, *, name: str) -> Conv:
        """A convolution without bias."""
        return Conv(features, kernel_size, stride, self.padding, self.dtype, name=name)

    def depthwise(self, kernel_size: int, stride: int = 1, *, name: str) -> DepthwiseConv:
        """A depthwise convolution."""
        return DepthwiseConv(kernel_size, stride, self.padding, self.dtype, name=name)

    def norm(self, activation: Activation = "none", *, name: str) -> BatchNorm:
        """A BatchNorm with an activation."""
        return BatchNorm(self.epsilon, activation, self.momentum, self.axis_name, self.dtype, name=name)


@runtime_checkable
class BlockSpec(Protocol):
    """One block in a network's table."""

    @property
    def channels(self) -> int:
        """Channels of its output."""

    @property
    def stride(self) -> int:
        """The stride: pixels of the input for each pixel of the output, along each side."""

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; called with a feature map and `train`, it returns the block's output."""


def round_channels(channels: int, multiplier: float, divisor: int = 8) -> int:
    """`channels * multiplier` rounded to a multiple of `divisor`, upwards where rounding would lose more than 10 %.

    The rule of the released MobileNet and EfficientNet code (`make_divisible`, `round_filters`).
    """
    scaled = channels * multiplier
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * scaled else rounded + divisor
