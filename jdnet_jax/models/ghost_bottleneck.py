"""The block of GhostNet (Han et al., CVPR 2020).

Names of modules and parameters are timm's. Initialisation: He fan-out for convolutions (OURS; timm leaves PyTorch's).
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import BlockSettings, round_channels
from jdnet_jax.models.squeeze_excite import SqueezeExcite


class GhostModule(nn.Module):
    """A 1x1 convolution to half of the channels; a depthwise convolution of these makes the other half, the ghosts.

    Attributes:
        features: channels of the output, an even number.
        activation: activation after the BatchNorm of both convolutions.
        settings: the settings of the network.
    """

    features: int
    activation: Activation
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns both halves."""
        settings = self.settings
        x = settings.conv(self.features // 2, 1, name="primary_conv.0")(x)
        x = settings.norm(self.activation, name="primary_conv.1")(x, train=train)
        ghosts = settings.depthwise(3, name="cheap_operation.0")(x)
        ghosts = settings.norm(self.activation, name="cheap_operation.1")(ghosts, train=train)
        return jnp.concatenate([x, ghosts], -1)


@dataclasses.dataclass(frozen=True)
class GhostBottleneckSpec:
    """The description of a `GhostBottleneck`.

    Attributes:
        channels: channels of the output.
        kernel_size: kernel size of the shortcut's depthwise convolution and of the strided one, in pixels.
        stride: stride of the block.
        expanded: channels inside the block.
        squeeze: whether squeeze-and-excitation works on the expanded channels.
    """

    channels: int
    kernel_size: int
    stride: int
    expanded: int
    squeeze: bool

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; see `BlockSpec`."""
        return GhostBottleneck(self, settings, name=name)


class GhostBottleneck(nn.Module):
    """Two ghost modules, a strided depthwise convolution between them where there is a stride; plus a shortcut.

    Where the shape changes, the shortcut is a depthwise and a 1x1 convolution, each with BatchNorm.

    Attributes:
        spec: the block in the network's table.
        settings: the settings of the network.
    """

    spec: GhostBottleneckSpec
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        spec, conv, depthwise, norm = self.spec, self.settings.conv, self.settings.depthwise, self.settings.norm
        c_in = x.shape[-1]
        y = GhostModule(spec.expanded, "relu", self.settings, name="ghost1")(x, train=train)
        if spec.stride > 1:
            y = norm(name="bn_dw")(depthwise(spec.kernel_size, spec.stride, name="conv_dw")(y), train=train)
        if spec.squeeze:
            y = SqueezeExcite(
                round_channels(spec.expanded, 0.25, divisor=4),
                "relu",
                "hard_sigmoid",
                ("conv_reduce", "conv_expand"),
                self.settings.dtype,
                name="se",
            )(y)
        y = GhostModule(spec.channels, "none", self.settings, name="ghost2")(y, train=train)
        if spec.stride > 1 or c_in != spec.channels:
            x = depthwise(spec.kernel_size, spec.stride, name="shortcut.0")(x)
            x = norm(name="shortcut.1")(x, train=train)
            x = norm(name="shortcut.3")(conv(spec.channels, 1, name="shortcut.2")(x), train=train)
        return x + y
