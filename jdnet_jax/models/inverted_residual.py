"""Networks of inverted residual blocks (Sandler et al., CVPR 2018): what MobileNetV2 and EfficientNet-Lite share.

Names of modules and parameters are timm's. Initialisation: He fan-out for convolutions, as in the code released with
both papers.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Classifier, Conv, DepthwiseConv, Dropout
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.padding import Padding
from jdnet_jax.models.spec import InputSpec, Stage


@dataclasses.dataclass(frozen=True)
class StageSpec:
    """One row of a network's table: `repeats` blocks of `channels` outputs; the first of them has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


def round_channels(channels: int, multiplier: float) -> int:
    """`channels * multiplier` rounded to a multiple of 8, upwards where rounding would lose more than 10 %.

    The rule of the released MobileNet and EfficientNet code (`make_divisible`, `round_filters`).
    """
    scaled = channels * multiplier
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * scaled else rounded + 8


def scale(
    rows: tuple[StageSpec, ...], *, width: float, depth: float = 1.0, fix_ends: bool = False
) -> tuple[StageSpec, ...]:
    """The table `rows` with channels and repeats multiplied (compound scaling: Tan and Le, ICML 2019).

    Args:
        rows: the table of the network at width and depth 1.
        width: multiplies channels, rounded by `round_channels`.
        depth: multiplies repeats, rounded up.
        fix_ends: leave the repeats of the first and the last row as they are.
    """
    last = len(rows) - 1
    return tuple(
        dataclasses.replace(
            row,
            channels=round_channels(row.channels, width),
            repeats=row.repeats if fix_ends and i in (0, last) else math.ceil(row.repeats * depth),
        )
        for i, row in enumerate(rows)
    )


class InvertedResidual(nn.Module):
    """Expand with 1x1, filter with a depthwise convolution, project with 1x1; a shortcut where the shape allows it.

    With expansion 1 there is no first convolution; that is the depthwise separable block of the first stage.

    Attributes:
        row: the block's kernel size, expansion and output channels.
        stride: of the block.
        padding: rule of the depthwise convolution.
        epsilon: BatchNorm's.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    row: StageSpec
    stride: int
    padding: Padding
    epsilon: float
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        norm = functools.partial(BatchNorm, self.epsilon, dtype=self.dtype, axis_name=self.axis_name)
        depthwise = DepthwiseConv(self.row.kernel_size, self.stride, self.padding, self.dtype, name="conv_dw")
        c_in = x.shape[-1]
        if self.row.expansion == 1:
            y = norm("relu6", name="bn1")(depthwise(x), train=train)
            y = Conv(self.row.channels, 1, dtype=self.dtype, name="conv_pw")(y)
            y = norm(name="bn2")(y, train=train)
        else:
            y = Conv(c_in * self.row.expansion, 1, dtype=self.dtype, name="conv_pw")(x)
            y = norm("relu6", name="bn1")(y, train=train)
            y = norm("relu6", name="bn2")(depthwise(y), train=train)
            y = Conv(self.row.channels, 1, dtype=self.dtype, name="conv_pwl")(y)
            y = norm(name="bn3")(y, train=train)
        return x + y if self.stride == 1 and c_in == self.row.channels else y


class InvertedResidualNet(nn.Module):
    """Stem, stages of inverted residuals, 1x1 head convolution, global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        rows: the table of the stages.
        stem: channels of the first convolution.
        head: channels of the last convolution.
        spec: the images it is made for.
        padding: rule of the convolutions.
        epsilon: BatchNorm's.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    rows: tuple[StageSpec, ...]
    stem: int
    head: int
    spec: InputSpec
    padding: Padding
    epsilon: float
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the last block at each of the strides 4, 8, 16 and 32, before the head convolution."""
        taps = {}
        stride = 2
        for i, row in enumerate(self.rows):
            stride *= row.stride
            taps[stride] = Stage(f"blocks.{i}", row.channels, stride)
        return tuple(tap for stride, tap in taps.items() if stride >= 4)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return self.spec

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        norm = functools.partial(BatchNorm, self.epsilon, dtype=self.dtype, axis_name=self.axis_name)
        x = Conv(self.stem, 3, 2, self.padding, self.dtype, name="conv_stem")(images)
        x = norm("relu6", name="bn1")(x, train=train)
        tapped = {tap.name for tap in self.stages}
        taps = []
        for i, row in enumerate(self.rows):
            for j in range(row.repeats):
                block = InvertedResidual(
                    row,
                    row.stride if j == 0 else 1,
                    self.padding,
                    self.epsilon,
                    self.dtype,
                    self.axis_name,
                    name=f"blocks.{i}.{j}",
                )
                x = block(x, train=train)
            if f"blocks.{i}" in tapped:
                taps.append(x)
        x = Conv(self.head, 1, dtype=self.dtype, name="conv_head")(x)
        x = norm("relu6", name="bn2")(x, train=train)
        features = Dropout(self.drop_rate, self.data_axis)(jnp.mean(x, (1, 2), dtype=jnp.float32), train=train)
        logits, kernel = Classifier(self.num_classes, name="classifier")(features)
        return Outputs(logits=logits, stages=tuple(taps), maps=x, kernel=kernel)
