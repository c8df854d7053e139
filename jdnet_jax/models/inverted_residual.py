"""The inverted residual block (Sandler et al., CVPR 2018), the block of MobileNetV2 and V3 and of EfficientNet.

Names of modules and parameters are timm's. Initialisation: He fan-out for convolutions, as in the code released with
the papers.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import BlockSettings, round_channels
from jdnet_jax.models.product_norm import product_norm
from jdnet_jax.models.squeeze_excite import Gate, SqueezeExcite


@dataclasses.dataclass(frozen=True)
class Squeeze:
    """Squeeze-and-excitation of a block's expanded channels.

    Attributes:
        to: the number of channels between its two convolutions: `input / 4`, a quarter of the block's input
            (EfficientNet), or `expanded / 4`, a quarter of the expanded channels, in multiples of 8 (MobileNetV3).
        activation: activation between the two convolutions.
        gate: the function that bounds the channels' factors.
    """

    to: Literal["input / 4", "expanded / 4"]
    activation: Activation
    gate: Gate

    def channels(self, inputs: int, expanded: int) -> int:
        """Channels between the two convolutions, for a block of so many input and expanded channels."""
        return round(inputs / 4) if self.to == "input / 4" else round_channels(expanded, 0.25)


@dataclasses.dataclass(frozen=True)
class InvertedResidualSpec:
    """The description of an `InvertedResidual`.

    Attributes:
        channels: channels of the output.
        kernel_size: kernel size of the depthwise convolution, in pixels.
        stride: stride of the depthwise convolution.
        expansion: expanded channels per input channel, rounded by `round_channels`; with 1 there is no expanding
            convolution.
        activation: activation after the expanding and the depthwise convolution.
        squeeze: squeeze-and-excitation after the depthwise convolution, if any.
    """

    channels: int
    kernel_size: int
    stride: int
    expansion: float
    activation: Activation
    squeeze: Squeeze | None = None

    def build(self, settings: BlockSettings, name: str) -> nn.Module:
        """The module; see `BlockSpec`."""
        return InvertedResidual(self, settings, name=name)


class InvertedResidual(nn.Module):
    """Expand with 1x1, filter with a depthwise convolution, project with 1x1; a shortcut where the shape allows it.

    With expansion 1 there is no first convolution; that is the depthwise separable block of the first stage.

    Attributes:
        spec: the block in the network's table.
        settings: the settings of the network.
    """

    spec: InvertedResidualSpec
    settings: BlockSettings

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        spec, conv, norm = self.spec, self.settings.conv, self.settings.norm
        c_in = x.shape[-1]
        # timm numbers the BatchNorms in their order, and calls the last convolution by what is before it.
        project, norms = ("conv_pw", ("bn1", "bn2")) if spec.expansion == 1 else ("conv_pwl", ("bn2", "bn3"))
        y = x
        if spec.expansion != 1:
            expand = conv(round_channels(c_in, spec.expansion), 1, name="conv_pw")
            y = product_norm(expand, norm(spec.activation, name="bn1"), y, train=train)
        y = self.settings.depthwise(spec.kernel_size, spec.stride, name="conv_dw")(y)
        y = norm(spec.activation, name=norms[0])(y, train=train)
        if spec.squeeze is not None:
            y = SqueezeExcite(
                spec.squeeze.channels(c_in, y.shape[-1]),
                spec.squeeze.activation,
                spec.squeeze.gate,
                ("conv_reduce", "conv_expand"),
                self.settings.dtype,
                name="se",
            )(y)
        y = norm(name=norms[1])(conv(spec.channels, 1, name=project)(y), train=train)
        return x + y if spec.stride == 1 and c_in == spec.channels else y
