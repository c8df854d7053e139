"""MobileNet, the first (Howard et al., 2017), for CIFAR's 32x32 images.

The network of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used: the paper's, but for a
stem of stride 1, so that the last map is 2x2. Modules are named as in timm's `mobilenetv1_100`, which has ReLU6 where
this has ReLU.
Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm


class DepthwiseSeparable(nn.Module):
    """3x3 depthwise convolution, then 1x1 convolution, each with BatchNorm and ReLU; no shortcut.

    Attributes:
        features: output channels.
        stride: stride of the depthwise convolution.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    features: int
    stride: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        x = DepthwiseConv(3, self.stride, dtype=self.dtype, name="conv_dw")(x)
        x = norm(name="bn1")(x, train=train)
        x = Conv(self.features, 1, dtype=self.dtype, name="conv_pw")(x)
        return norm(name="bn2")(x, train=train)


class CifarMobileNet(nn.Module):
    """Stages of depthwise separable convolutions, global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage; every stage but the first begins with stride 2.
        widths: channels of each stage.
        stem: channels of the first convolution.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    stem: int
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each stage, at strides 1, 2, 4, ...; MEAL tapped the stem and the last."""
        return tuple(Stage(f"blocks.{i}", width, 2**i) for i, width in enumerate(self.widths))

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = Conv(self.stem, 3, dtype=self.dtype, name="conv_stem")(images)
        x = BatchNorm(_EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name, name="bn1")(x, train=train)
        taps = []
        for i, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                block = DepthwiseSeparable(width, stride, self.dtype, self.axis_name, name=f"blocks.{i}.{j}")
                x = block(x, train=train)
            taps.append(x)
        return linear_head(self, x, taps, "classifier", train=train)


VARIANTS = {
    "cifar_mobilenet": Variant(
        CifarMobileNet,
        {"depths": (1, 2, 2, 6, 2), "widths": (64, 128, 256, 512, 1024), "stem": 32},
        COMMON_OPTIONS,
    ),
}
