"""The blocks of MobileNetV4 (Qin et al., ECCV 2024): the universal inverted bottleneck and the fused one.

Names of modules and parameters are timm's. Initialisation: He fan-out for convolutions, as in timm.
"""

from __future__ import annotations

import dataclasses

from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import BlockSettings, round_channels
from jdnet_jax.models.product_norm import product_norm


@dataclasses.dataclass(frozen=True)
class UniversalInvertedBottleneckSpec:
    """The description of a `UniversalInvertedBottleneck`.

    Attributes:
        channels: channels of the output.
        start: kernel size of the depthwise convolution before the expansion in pixels; 0 for none.
        middle: kernel size of the depthwise convolution after the expansion; 0 for none.
        stride: stride of the middle depthwise convolution.
        expansion: expanded channels per input channel, rounded by `round_channels`.
    """

    channels: int
    start: int
    middle: int
    stride: int
    expansion: float

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; see `BlockSpec`."""
        return UniversalInvertedBottleneck(self, settings, name=name)


class UniversalInvertedBottleneck(nn.Module):
    """Depthwise, expand with 1x1, depthwise, project with 1x1, each with BatchNorm; a shortcut where shapes allow it.

    Either depthwise convolution may be missing; with the middle one alone it is the inverted residual, with the first
    alone it is like ConvNeXt's block, with neither a feed-forward network. ReLU follows the expansion and the middle
    depthwise convolution.

    Attributes:
        spec: the block in the network's table.
        settings: the settings of the network.
    """

    spec: UniversalInvertedBottleneckSpec
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        spec, settings = self.spec, self.settings
        c_in = x.shape[-1]

        def normed(y: Array, layer: nn.Module, activation: Activation, name: str) -> Array:
            normalised: Array = settings.norm(activation, name=f"{name}.bn")(layer(y), train=train)
            return normalised

        y = x
        if spec.start:
            y = normed(y, settings.depthwise(spec.start, name="dw_start.conv"), "none", "dw_start")
        expand = settings.conv(round_channels(c_in, spec.expansion), 1, name="pw_exp.conv")
        y = product_norm(expand, settings.norm("relu", name="pw_exp.bn"), y, train=train)
        if spec.middle:
            y = normed(y, settings.depthwise(spec.middle, spec.stride, name="dw_mid.conv"), "relu", "dw_mid")
        y = normed(y, settings.conv(spec.channels, 1, name="pw_proj.conv"), "none", "pw_proj")
        return x + y if spec.stride == 1 and c_in == spec.channels else y


@dataclasses.dataclass(frozen=True)
class FusedInvertedBottleneckSpec:
    """The description of a `FusedInvertedBottleneck`."""

    channels: int
    kernel_size: int
    stride: int
    expansion: float

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; see `BlockSpec`."""
        return FusedInvertedBottleneck(self, settings, name=name)


class FusedInvertedBottleneck(nn.Module):
    """Expand with a full convolution, BatchNorm, ReLU, project with 1x1, BatchNorm; it changes the shape.

    Attributes:
        spec: the block in the network's table.
        settings: the settings of the network.
    """

    spec: FusedInvertedBottleneckSpec
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        spec, conv, norm = self.spec, self.settings.conv, self.settings.norm
        expanded = round_channels(x.shape[-1], spec.expansion)
        y = norm("relu", name="bn1")(conv(expanded, spec.kernel_size, spec.stride, name="conv_exp")(x), train=train)
        return norm(name="bn2")(conv(spec.channels, 1, name="conv_pwl")(y), train=train)
