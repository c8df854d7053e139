"""Pre-activation ResNet (He et al., ECCV 2016) for CIFAR's 32x32 images.

The network of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used: a 3x3 stem of stride 1
and, against the paper, no BatchNorm and ReLU after the last block. Modules are named as in timm's `ResNetV2`.
Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm


class PreActBlock(nn.Module):
    """The shortcut plus BatchNorm, ReLU and 3x3 convolution, twice.

    Where the shape changes the shortcut is a 1x1 convolution of what the first BatchNorm and ReLU give, else it is the
    input.

    Attributes:
        features: output channels.
        stride: stride of the block.
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
        conv = functools.partial(Conv, self.features, dtype=self.dtype)
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        y = norm(name="norm1")(x, train=train)
        if self.stride != 1 or x.shape[-1] != self.features:
            x = conv(kernel_size=1, stride=self.stride, name="downsample.conv")(y)
        y = conv(kernel_size=3, stride=self.stride, name="conv1")(y)
        y = norm(name="norm2")(y, train=train)
        return x + conv(kernel_size=3, name="conv2")(y)


class CifarPreActResNet(nn.Module):
    """Stages of pre-activation blocks, global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage; every stage but the first begins with stride 2.
        width: channels of the stem and of the first stage; each next stage doubles them.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    width: int = 64
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each stage, before any BatchNorm and ReLU, at strides 1, 2, 4, ..."""
        return tuple(Stage(f"stages.{i}", self.width * 2**i, 2**i) for i in range(len(self.depths)))

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = Conv(self.width, 3, dtype=self.dtype, name="stem.conv")(images)
        taps = []
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                block = PreActBlock(
                    self.width * 2**i, stride, self.dtype, self.axis_name, name=f"stages.{i}.blocks.{j}"
                )
                x = block(x, train=train)
            taps.append(x)
        return linear_head(self, x, taps, "head.fc", train=train)


VARIANTS = {"cifar_preact_resnet18": Variant(CifarPreActResNet, {"depths": (2, 2, 2, 2)}, COMMON_OPTIONS)}
