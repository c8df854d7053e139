"""Dual path network (Chen et al., NeurIPS 2017) for CIFAR's 32x32 images.

The network of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used, with the names that its
modules have there. Against the paper and timm's `dpn92`: a 3x3 stem of stride 1, BatchNorm and ReLU after the
convolutions instead of before them, and a first block of each stage that begins the dense path with twice the stage's
growth instead of three times.
Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm
_STEM = 64


class DualPathBlock(nn.Module):
    """A bottleneck (1x1, grouped 3x3, 1x1) whose first outputs are added to the shortcut and the others appended to it.

    Attributes:
        width: channels inside the bottleneck.
        residual: channels of the residual path.
        growth: channels that the block appends to the dense path.
        groups: number of groups of the 3x3 convolution.
        stride: stride of the block.
        project: whether the shortcut is a 1x1 convolution, which begins a stage's two paths, rather than the input.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    width: int
    residual: int
    growth: int
    groups: int
    stride: int
    project: bool
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output: the residual path, then the dense path."""
        conv = functools.partial(Conv, dtype=self.dtype)
        norm = functools.partial(BatchNorm, _EPSILON, dtype=self.dtype, axis_name=self.axis_name)
        both = self.residual + self.growth
        y = norm("relu", name="bn1")(conv(self.width, 1, name="conv1")(x), train=train)
        y = conv(self.width, 3, self.stride, groups=self.groups, name="conv2")(y)
        y = norm("relu", name="bn2")(y, train=train)
        y = norm(name="bn3")(conv(both, 1, name="conv3")(y), train=train)
        if self.project:
            x = norm(name="shortcut.1")(conv(both, 1, self.stride, name="shortcut.0")(x), train=train)
        added = lax.slice_in_dim(x, 0, self.residual, axis=-1) + lax.slice_in_dim(y, 0, self.residual, axis=-1)
        dense = [lax.slice_in_dim(features, self.residual, None, axis=-1) for features in (x, y)]
        return nn.relu(jnp.concatenate([added, *dense], -1))


class CifarDPN(nn.Module):
    """Stages of dual path blocks, global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage; every stage but the first begins with stride 2.
        growths: channels that each block of a stage appends.
        width: channels inside the first stage's bottlenecks; each next stage doubles them.
        residual: channels of the first stage's residual path; each next stage doubles them.
        groups: number of groups of the 3x3 convolutions.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    growths: tuple[int, ...]
    width: int = 96
    residual: int = 256
    groups: int = 32
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each stage, at strides 1, 2, 4, ..."""
        paths = enumerate(zip(self.depths, self.growths, strict=True))
        return tuple(
            Stage(f"layer{i + 1}", self.residual * 2**i + (depth + 1) * growth, 2**i) for i, (depth, growth) in paths
        )

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = Conv(_STEM, 3, dtype=self.dtype, name="conv1")(images)
        x = BatchNorm(_EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name, name="bn1")(x, train=train)
        taps = []
        for i, (depth, growth) in enumerate(zip(self.depths, self.growths, strict=True)):
            for j in range(depth):
                block = DualPathBlock(
                    width=self.width * 2**i,
                    residual=self.residual * 2**i,
                    growth=growth,
                    groups=self.groups,
                    stride=2 if i > 0 and j == 0 else 1,
                    project=j == 0,
                    dtype=self.dtype,
                    axis_name=self.axis_name,
                    name=f"layer{i + 1}.{j}",
                )
                x = block(x, train=train)
            taps.append(x)
        return linear_head(self, x, taps, "linear", train=train)


VARIANTS = {
    "cifar_dpn92": Variant(CifarDPN, {"depths": (3, 4, 20, 3), "growths": (16, 32, 24, 128)}, COMMON_OPTIONS),
}
