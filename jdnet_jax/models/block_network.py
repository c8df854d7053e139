"""Networks that are described by a table of blocks: MobileNets and EfficientNets.

Names of modules and parameters are timm's.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import BlockSettings, BlockSpec
from jdnet_jax.models.linear_head import classify
from jdnet_jax.models.mobile_heads import Head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.padding import Padding
from jdnet_jax.models.spec import InputSpec, Stage

#: The stages, each with its blocks.
Table = tuple[tuple[BlockSpec, ...], ...]


class BlockNetwork(nn.Module):
    """A convolution of stride 2 ("stem"), stages of blocks, a head with global average pooling.

    Attributes:
        num_classes: length of the logits.
        table: the blocks of each stage.
        stem: channels of the first convolution.
        activation: activation after the first convolution.
        head: the layers after the last block.
        spec: the images it is made for.
        tap: which stage of each stride is the tap: the last, or (GhostNet in timm) the first.
        padding: rule of the convolutions.
        epsilon: BatchNorm's.
        momentum: BatchNorm's.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    table: Table
    stem: int
    activation: Activation
    head: Head
    spec: InputSpec
    tap: Literal["first", "last"] = "last"
    padding: Padding = "symmetric"
    epsilon: float = 1e-5
    momentum: float = 0.9
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: one stage at each of the strides 4, 8, 16 and 32, before the head."""
        taps: dict[int, Stage] = {}
        stride = 2
        for i, blocks in enumerate(self.table):
            for block in blocks:
                stride *= block.stride
            if self.tap == "last" or stride not in taps:
                taps[stride] = Stage(f"blocks.{i}", blocks[-1].channels, stride)
        return tuple(tap for stride, tap in taps.items() if stride >= 4)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return self.spec

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        settings = BlockSettings(self.padding, self.epsilon, self.momentum, self.dtype, self.axis_name)
        x = settings.conv(self.stem, 3, 2, name="conv_stem")(images)
        x = settings.norm(self.activation, name="bn1")(x, train=train)
        tapped = {tap.name for tap in self.stages}
        taps = []
        for i, blocks in enumerate(self.table):
            for j, block in enumerate(blocks):
                x = block.build(settings, f"blocks.{i}.{j}")(x, train=train)
            if f"blocks.{i}" in tapped:
                taps.append(x)
        final = functools.partial(classify, self, name="classifier", train=train)
        return dataclasses.replace(self.head(x, final, settings, train=train), stages=tuple(taps))
