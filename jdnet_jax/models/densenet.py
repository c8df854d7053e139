"""DenseNet-BC (Huang et al., CVPR 2017): within a block, each layer reads the outputs of all earlier layers.

Sizes, names and parameter names are timm's (torchvision's are the same). Initialisation: He fan-out for convolutions,
as in the code released with the paper (github.com/liuzhuang13/DenseNet); timm has fan-in.

`cifar_densenet` is for CIFAR's 32x32 images: three blocks of 8, 24 and 24 layers with growth rate 40, the network that
MEAL (AAAI 2019) trained; its code is derived from pytorch-cifar's (github.com/kuangliu/pytorch-cifar), which has four
blocks. In those two a layer's new channels come first, which is the same network with its channels in another order.
The head is the paper's: all positions are averaged. MEAL's classifier read the averages of the map's four quarters
instead: pytorch-cifar's 4x4 pooling, made for maps of 4x4, leaves 2x2 of its 8x8. MEAL tapped the third block's input
and its output before BatchNorm.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv, average_pool, max_pool
from jdnet_jax.models.linear_head import linear_head
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm


class DenseLayer(nn.Module):
    """BatchNorm, ReLU and a 1x1 convolution to four times `growth` channels; then the same with 3x3 to `growth`.

    Attributes:
        growth: channels that the layer adds.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    growth: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width c_in"], *, train: bool
    ) -> Float[Array, "batch height width growth"]:
        """Returns the new channels alone."""
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        x = Conv(4 * self.growth, 1, dtype=self.dtype, name="conv1")(norm(name="norm1")(x, train=train))
        return Conv(self.growth, 3, dtype=self.dtype, name="conv2")(norm(name="norm2")(x, train=train))


class DenseNet(nn.Module):
    """Stem, dense blocks and the transitions between them, global average pooling and one linear layer.

    A transition halves the channels and both sides of the map.

    Attributes:
        num_classes: length of the logits.
        depths: layers in each block.
        growth: channels that each layer adds; the stem has twice as many.
        small_stem: a 3x3 convolution of stride 1 alone, which is tapped too, in place of a 7x7 convolution of stride 2,
            BatchNorm, ReLU and max-pooling.
        spec: the images it is made for.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    growth: int
    small_stem: bool = False
    spec: InputSpec = InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: a small stem, then the output of each block; of the last one after its BatchNorm and ReLU."""
        channels = 2 * self.growth
        taps = [Stage("features.conv0", channels, 1)] if self.small_stem else []
        for i, depth in enumerate(self.depths):
            channels += depth * self.growth
            last = i == len(self.depths) - 1
            stride = 2**i if self.small_stem else 4 * 2**i
            taps.append(Stage("features.norm5" if last else f"features.denseblock{i + 1}", channels, stride))
            channels //= 2
        return tuple(taps)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return self.spec

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images.

        Raises:
            UserError: the images are smaller than a transition can halve.
        """
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        kernel_size, stride = (3, 1) if self.small_stem else (7, 2)
        x = Conv(2 * self.growth, kernel_size, stride, dtype=self.dtype, name="features.conv0")(images)
        taps = [x] if self.small_stem else []
        if not self.small_stem:
            x = max_pool(norm(name="features.norm0")(x, train=train))
        for i, depth in enumerate(self.depths, start=1):
            if i > 1:
                transition = f"features.transition{i - 1}"
                # Pooling and a 1x1 convolution commute; the convolution has a quarter of the pixels left this way.
                x = average_pool(norm(name=f"{transition}.norm")(x, train=train))
                x = Conv(x.shape[-1] // 2, 1, dtype=self.dtype, name=f"{transition}.conv")(x)
            for j in range(depth):
                layer = DenseLayer(
                    self.growth, self.dtype, self.axis_name, name=f"features.denseblock{i}.denselayer{j + 1}"
                )
                x = jnp.concatenate([x, layer(x, train=train)], axis=-1)
            taps.append(x)
        taps[-1] = x = norm(name="features.norm5")(x, train=train)
        return linear_head(self, x, taps, "classifier", train=train)


def _variant(depths: tuple[int, ...], growth: int = 32) -> Variant:
    return Variant(DenseNet, {"depths": depths, "growth": growth}, COMMON_OPTIONS)


VARIANTS = {
    # Table 1 of the paper; DenseNet-161 is in the code released with it.
    "densenet121": _variant((6, 12, 24, 16)),
    "densenet161": _variant((6, 12, 36, 24), growth=48),
    "densenet169": _variant((6, 12, 32, 32)),
    "densenet201": _variant((6, 12, 48, 32)),
    "cifar_densenet": Variant(
        DenseNet, {"depths": (8, 24, 24), "growth": 40, "small_stem": True, "spec": CIFAR_SPEC}, COMMON_OPTIONS
    ),
}
