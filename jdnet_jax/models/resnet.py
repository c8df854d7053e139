"""ResNet (He et al., CVPR 2016), with a bottleneck's stride in its 3x3 convolution ("v1.5", as torchvision and timm).

ResNeXt (Xie et al., CVPR 2017) has groups in that convolution, SE-ResNeXt (Hu et al., CVPR 2018) squeeze-and-excitation
at the end of each branch.
Sizes, names and parameter names are timm's. Initialisation: He fan-out for convolutions; the last BatchNorm of each
residual branch starts at zero (Goyal et al., 2017), so that every block starts as its shortcut.
`resnet_tiny` is OURS: three stages of one basic block at strides 4, 8 and 16, for tests and the demo.
`cifar_resnet18` and `cifar_resnext29_2x64d` (ResNeXt: Xie et al., CVPR 2017) are for CIFAR's 32x32 images. They are
those of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used: the stem has stride 1, and is a
1x1 convolution in the ResNeXt, where the paper has 3x3.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv, max_pool
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.product_norm import product_norm
from jdnet_jax.models.spec import (
    CIFAR_SPEC,
    COMMON_OPTIONS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputSpec,
    Option,
    Stage,
    Variant,
)
from jdnet_jax.models.squeeze_excite import SqueezeExcite

_EPSILON = 1e-5  # of BatchNorm


@dataclasses.dataclass(frozen=True)
class Stem:
    """The stem: the layers before the first stage, and the first stage's stride.

    Attributes:
        kernel_size: side of the convolution's kernel in pixels.
        stride: stride of the convolution.
        pool: whether 3x3 max-pooling of stride 2 follows it.
        first_stride: stride of the first stage.
    """

    kernel_size: int
    stride: int
    pool: bool = False
    first_stride: int = 1


IMAGENET_STEM = Stem(kernel_size=7, stride=2, pool=True)


class Block(nn.Module):
    """One residual block: the shortcut plus a branch of two 3x3 convolutions, or of 1x1, 3x3, 1x1 ("bottleneck").

    Attributes:
        width: channels of the branch; a bottleneck's output has four times as many.
        stride: stride of the block.
        bottleneck: whether the branch is a bottleneck.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
        groups: number of groups of a bottleneck's 3x3 convolution.
        group_width: channels of each group where `width` is 64; elsewhere in proportion.
        squeeze_excite: whether the branch ends in squeeze-and-excitation, with a sixteenth of the channels.
    """

    width: int
    stride: int
    bottleneck: bool
    dtype: Any
    axis_name: str | None
    groups: int = 1
    group_width: int = 64
    squeeze_excite: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the block's output."""
        conv = functools.partial(Conv, dtype=self.dtype)
        norm = functools.partial(BatchNorm, _EPSILON, dtype=self.dtype, axis_name=self.axis_name)
        features = self.width * (4 if self.bottleneck else 1)
        zeros = initializers.zeros
        if self.bottleneck:
            inner = self.width * self.group_width // 64 * self.groups
            y = norm("relu", name="bn1")(conv(inner, 1, name="conv1")(x), train=train)
            y = conv(inner, 3, self.stride, groups=self.groups, name="conv2")(y)
            y = norm("relu", name="bn2")(y, train=train)
            y = product_norm(conv(features, 1, name="conv3"), norm(name="bn3", scale_init=zeros), y, train=train)
        else:
            y = norm("relu", name="bn1")(conv(self.width, 3, self.stride, name="conv1")(x), train=train)
            y = norm(name="bn2", scale_init=zeros)(conv(features, 3, name="conv2")(y), train=train)
        if self.squeeze_excite:
            y = SqueezeExcite(features // 16, dtype=self.dtype, name="se")(y)
        if self.stride != 1 or x.shape[-1] != features:
            shortcut = conv(features, 1, self.stride, name="downsample.0")
            x = product_norm(shortcut, norm(name="downsample.1"), x, train=train)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A residual network that ends in global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage.
        bottleneck: whether the blocks are bottlenecks.
        stem: the layers before the stages.
        tap_stem: whether the stem's convolution, BatchNorm and ReLU are the first tap.
        spec: the images it is made for.
        width: channels of the first stage's branches; each next stage doubles them.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
        groups: number of groups of the bottlenecks' 3x3 convolutions (ResNeXt's cardinality).
        group_width: channels of each group where the branch's width is 64.
        squeeze_excite: whether each branch ends in squeeze-and-excitation.
    """

    num_classes: int
    depths: tuple[int, ...]
    bottleneck: bool = False
    stem: Stem = IMAGENET_STEM
    tap_stem: bool = False
    spec: InputSpec = InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)
    width: int = 64
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None
    groups: int = 1
    group_width: int = 64
    squeeze_excite: bool = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the stem if `tap_stem`, then each stage's output, at twice the stride of the stage before."""
        expansion = 4 if self.bottleneck else 1
        stride = self.stem.stride * (2 if self.stem.pool else 1) * self.stem.first_stride
        stages = (Stage(f"layer{i + 1}", self.width * 2**i * expansion, stride * 2**i) for i in range(len(self.depths)))
        return (*((Stage("bn1", self.width, self.stem.stride),) if self.tap_stem else ()), *stages)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return self.spec

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        norm = functools.partial(BatchNorm, _EPSILON, dtype=self.dtype, axis_name=self.axis_name)
        x = Conv(self.width, self.stem.kernel_size, self.stem.stride, dtype=self.dtype, name="conv1")(images)
        x = norm("relu", name="bn1")(x, train=train)
        taps = [x] if self.tap_stem else []
        if self.stem.pool:
            x = max_pool(x)
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                block = Block(
                    self.width * 2**i,
                    1 if j > 0 else 2 if i > 0 else self.stem.first_stride,
                    self.bottleneck,
                    self.dtype,
                    self.axis_name,
                    self.groups,
                    self.group_width,
                    self.squeeze_excite,
                    name=f"layer{i + 1}.{j}",
                )
                x = block(x, train=train)
            taps.append(x)
        return linear_head(self, x, taps, "fc", train=train)


def _variant(depths: tuple[int, ...], *, bottleneck: bool = True, **fields: Any) -> Variant:
    return Variant(ResNet, {"depths": depths, "bottleneck": bottleneck, **fields}, COMMON_OPTIONS)


def _is_width(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


VARIANTS = {
    "resnet18": _variant((2, 2, 2, 2), bottleneck=False),
    "resnet34": _variant((3, 4, 6, 3), bottleneck=False),
    "resnet50": _variant((3, 4, 6, 3)),
    "resnet101": _variant((3, 4, 23, 3)),
    "resnet152": _variant((3, 8, 36, 3)),
    "resnext50_32x4d": _variant((3, 4, 6, 3), groups=32, group_width=4),
    "resnext101_32x8d": _variant((3, 4, 23, 3), groups=32, group_width=8),
    "seresnext50_32x4d": _variant((3, 4, 6, 3), groups=32, group_width=4, squeeze_excite=True),
    "resnet_tiny": Variant(
        ResNet,
        {
            "depths": (1, 1, 1),
            "stem": Stem(kernel_size=3, stride=2, first_stride=2),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, 96),
            "width": 16,
        },
        {**COMMON_OPTIONS, "width": Option(_is_width, "a positive integer")},
    ),
    "cifar_resnet18": Variant(
        ResNet,
        {"depths": (2, 2, 2, 2), "stem": Stem(kernel_size=3, stride=1), "spec": CIFAR_SPEC},
        COMMON_OPTIONS,
    ),
    "cifar_resnext29_2x64d": Variant(
        ResNet,
        {
            "depths": (3, 3, 3),
            "bottleneck": True,
            "groups": 2,
            "stem": Stem(kernel_size=1, stride=1),
            "tap_stem": True,
            "spec": CIFAR_SPEC,
        },
        COMMON_OPTIONS,
    ),
}
