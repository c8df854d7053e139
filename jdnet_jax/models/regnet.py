"""RegNetY (Radosavovic et al., CVPR 2020), the network of 16 billion multiply-adds: DeiT's teacher.

Sizes, names and parameter names are timm's. Initialisation: He fan-out for convolutions; the last BatchNorm of each
residual branch starts at zero, so that every block starts as its shortcut.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Stage, Variant
from jdnet_jax.models.squeeze_excite import SqueezeExcite

_EPSILON = 1e-5  # of BatchNorm


class Block(nn.Module):
    """The shortcut plus a branch of 1x1, 3x3 with groups, squeeze-and-excitation, and 1x1, all of one width.

    Attributes:
        width: channels of the branch and of the output.
        stride: stride of the block.
        group_width: channels of each group.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    width: int
    stride: int
    group_width: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        conv = functools.partial(Conv, self.width, dtype=self.dtype)
        norm = functools.partial(BatchNorm, _EPSILON, dtype=self.dtype, axis_name=self.axis_name)
        groups = self.width // self.group_width
        y = norm("relu", name="conv1.bn")(conv(1, name="conv1.conv")(x), train=train)
        y = conv(3, self.stride, groups=groups, name="conv2.conv")(y)
        y = norm("relu", name="conv2.bn")(y, train=train)
        # A quarter of the block's input (not of its width), as in the code released with the paper.
        y = SqueezeExcite(round(x.shape[-1] / 4), dtype=self.dtype, name="se")(y)
        y = conv(1, name="conv3.conv")(y)
        y = norm(name="conv3.bn", scale_init=initializers.zeros)(y, train=train)
        if self.stride != 1 or x.shape[-1] != self.width:
            x = conv(1, self.stride, name="downsample.conv")(x)
            x = norm(name="downsample.bn")(x, train=train)
        return nn.relu(x + y)


class RegNet(nn.Module):
    """A 3x3 stem of stride 2, four stages of stride 2, global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage.
        widths: channels of each stage.
        group_width: channels of each group of the 3x3 convolutions.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    group_width: int
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each stage, at strides 4, 8, 16, ..."""
        return tuple(Stage(f"s{i + 1}", width, 4 * 2**i) for i, width in enumerate(self.widths))

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = Conv(32, 3, 2, dtype=self.dtype, name="stem.conv")(images)
        x = BatchNorm(_EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name, name="stem.bn")(x, train=train)
        taps = []
        for i, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True), start=1):
            for j in range(depth):
                stride = 2 if j == 0 else 1
                block = Block(width, stride, self.group_width, self.dtype, self.axis_name, name=f"s{i}.b{j + 1}")
                x = block(x, train=train)
            taps.append(x)
        return linear_head(self, x, taps, "head.fc", train=train)


VARIANTS = {
    "regnety_160": Variant(
        RegNet,
        # The paper's table of RegNetY models, row 16GF.
        {"depths": (2, 4, 11, 1), "widths": (224, 448, 1232, 3024), "group_width": 112},
        COMMON_OPTIONS,
    )
}
