"""DenseNet-BC (Huang et al., CVPR 2017): within a block, each layer reads what all layers before it have made.

Sizes, names and parameter names are timm's (torchvision's are the same). Initialisation: He fan-out for convolutions,
as in the code released with the paper (github.com/liuzhuang13/DenseNet); timm has fan-in.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Classifier, Conv, Dropout, average_pool, max_pool
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Stage, Variant

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
    """Stem with max-pooling, dense blocks and the transitions between them, global average pooling, one linear layer.

    A transition halves the channels and both sides of the map.

    Attributes:
        num_classes: length of the logits.
        depths: layers in each block.
        growth: channels that each layer adds; the stem has twice as many.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    growth: int
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each block, of the last one behind its BatchNorm and ReLU, at strides 4, 8, ..."""
        taps = []
        channels = 2 * self.growth
        for i, depth in enumerate(self.depths):
            channels += depth * self.growth
            last = i == len(self.depths) - 1
            taps.append(Stage("features.norm5" if last else f"features.denseblock{i + 1}", channels, 4 * 2**i))
            channels //= 2
        return tuple(taps)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        x = Conv(2 * self.growth, 7, 2, dtype=self.dtype, name="features.conv0")(images)
        x = max_pool(norm(name="features.norm0")(x, train=train))
        taps = []
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
        features = Dropout(self.drop_rate, self.data_axis)(jnp.mean(x, (1, 2), dtype=jnp.float32), train=train)
        logits, kernel = Classifier(self.num_classes, name="classifier")(features)
        return Outputs(logits=logits, stages=tuple(taps), maps=x, kernel=kernel)


def _variant(depths: tuple[int, ...], growth: int = 32) -> Variant:
    return Variant(DenseNet, {"depths": depths, "growth": growth}, COMMON_OPTIONS)


VARIANTS = {
    # Table 1 of the paper; DenseNet-161 is in the code released with it.
    "densenet121": _variant((6, 12, 24, 16)),
    "densenet161": _variant((6, 12, 36, 24), growth=48),
    "densenet169": _variant((6, 12, 32, 32)),
    "densenet201": _variant((6, 12, 48, 32)),
}
