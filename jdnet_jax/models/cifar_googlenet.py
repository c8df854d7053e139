"""GoogLeNet (Szegedy et al., CVPR 2015) for CIFAR's 32x32 images.

The network of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used. Against the paper: a 3x3
stem of stride 1 with 192 channels, no auxiliary classifiers, two 3x3 convolutions in place of each 5x5 one, and
BatchNorm after every convolution, which has a bias all the same. Modules are named as in torchvision, whose second
convolution of that branch is one 3x3, without bias, and whose BatchNorm has another epsilon.
Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv, max_pool
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm
_STEM = 192

#: Table 1 of the paper: each module's channels, in the order of `Inception.widths`.
_TABLE: Mapping[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class ConvNorm(nn.Module):
    """Convolution with bias, BatchNorm, ReLU."""

    features: int
    kernel_size: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the activations."""
        x = Conv(self.features, self.kernel_size, use_bias=True, dtype=self.dtype, name="conv")(x)
        return BatchNorm(_EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name, name="bn")(x, train=train)


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and two 3x3; 3x3 max-pooling and 1x1.

    Attributes:
        widths: channels of the first branch; of the second's two convolutions; of the third's first convolution and of
            its other two; of the fourth branch.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    widths: tuple[int, int, int, int, int, int]
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns the branches' outputs, one after the other along the channels."""
        one, reduce_3x3, three, reduce_5x5, five, pooled = self.widths

        def conv(y: Array, features: int, kernel_size: int, name: str) -> Array:
            return ConvNorm(features, kernel_size, self.dtype, self.axis_name, name=name)(y, train=train)

        first = conv(x, one, 1, "branch1")
        second = conv(conv(x, reduce_3x3, 1, "branch2.0"), three, 3, "branch2.1")
        third = conv(conv(x, reduce_5x5, 1, "branch3.0"), five, 3, "branch3.1")
        third = conv(third, five, 3, "branch3.2")
        fourth = conv(max_pool(x, window=3, stride=1, padding=1), pooled, 1, "branch4.1")
        return jnp.concatenate([first, second, third, fourth], -1)


class CifarGoogLeNet(nn.Module):
    """GoogLeNet that ends in global average pooling and one linear layer.

    Attributes:
        num_classes: length of the logits.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the stem, and the last module at each of the strides 1, 2 and 4.

        MEAL tapped the modules 3b and 4e alone, after their pooling.
        """
        strides = {"3b": 1, "4e": 2, "5b": 4}
        return (
            Stage("conv1", _STEM, 1),
            *(Stage(f"inception{name}", _channels(_TABLE[name]), stride) for name, stride in strides.items()),
        )

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = ConvNorm(_STEM, 3, self.dtype, self.axis_name, name="conv1")(images, train=train)
        tapped = {tap.name for tap in self.stages}
        taps = [x]
        for name, widths in _TABLE.items():
            if name in ("4a", "5a"):
                x = max_pool(x)
            x = Inception(widths, self.dtype, self.axis_name, name=f"inception{name}")(x, train=train)
            if f"inception{name}" in tapped:
                taps.append(x)
        return linear_head(self, x, taps, "fc", train=train)


def _channels(widths: tuple[int, int, int, int, int, int]) -> int:
    """Channels of a module's output."""
    one, _, three, _, five, pooled = widths
    return one + three + five + pooled


VARIANTS = {"cifar_googlenet": Variant(CifarGoogLeNet, {}, COMMON_OPTIONS)}
