"""A convolution with BatchNorm and an activation, as a block."""

from __future__ import annotations

import dataclasses

from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import BlockSettings


@dataclasses.dataclass(frozen=True)
class ConvBlockSpec:
    """The description of a `ConvBlock`."""

    channels: int
    kernel_size: int
    stride: int
    activation: Activation

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; see `BlockSpec`."""
        return ConvBlock(self, settings, name=name)


class ConvBlock(nn.Module):
    """Convolution, BatchNorm, activation; there is no shortcut.

    Attributes:
        spec: the block in the network's table.
        settings: the settings of the network.
    """

    spec: ConvBlockSpec
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        spec = self.spec
        x = self.settings.conv(spec.channels, spec.kernel_size, spec.stride, name="conv")(x)
        return self.settings.norm(spec.activation, name="bn1")(x, train=train)
