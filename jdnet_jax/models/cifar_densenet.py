"""DenseNet-BC (Huang et al., CVPR 2017) for CIFAR's 32x32 images.

Three dense blocks of 8, 24 and 24 layers with growth rate 40, the network that MEAL (AAAI 2019) trained; its code is
derived from pytorch-cifar's (github.com/kuangliu/pytorch-cifar), which has four blocks. The stem is one 3x3 convolution
of stride 1. Modules are named as in torchvision and timm, and a layer's new channels come last, as there; in the two
others they come first, which is the same network with its channels in another order.
The head is the paper's: all positions are averaged. MEAL's classifier read the averages of the map's four quarters
instead, as pytorch-cifar's pooling, made for maps of 4x4, leaves them of its 8x8.
Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Classifier, Conv, Dropout, average_pool
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.spec import CIFAR_SPEC, COMMON_OPTIONS, InputSpec, Stage, Variant

_EPSILON = 1e-5  # of BatchNorm


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, 1x1 convolution to four times the growth; BatchNorm, ReLU, 3x3 convolution to the growth.

    Attributes:
        growth: channels that the layer adds.
        dtype: dtype of the computation.
        axis_name: mapped axis over which BatchNorm averages its statistics.
    """

    growth: int
    dtype: Any
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "batch height width c_in"], *, train: bool) -> Float[Array, "batch h w c_out"]:
        """Returns `x` with the new channels behind its own."""
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        y = norm(name="norm1")(x, train=train)
        y = Conv(4 * self.growth, 1, dtype=self.dtype, name="conv1")(y)
        y = norm(name="norm2")(y, train=train)
        y = Conv(self.growth, 3, dtype=self.dtype, name="conv2")(y)
        return jnp.concatenate([x, y], -1)


class CifarDenseNet(nn.Module):
    """Dense blocks, between which channels and pixels are halved; then global average pooling and one linear layer.

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
        """The taps, as timm's: the stem, each dense block but the last, and the last after BatchNorm and ReLU.

        MEAL tapped the third block's input and its output before BatchNorm.
        """
        channels = 2 * self.growth
        taps = [Stage("features.conv0", channels, 1)]
        for i, depth in enumerate(self.depths):
            channels += depth * self.growth
            name = "features.norm5" if i == len(self.depths) - 1 else f"features.denseblock{i + 1}"
            taps.append(Stage(name, channels, 2**i))
            channels //= 2
        return tuple(taps)

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images.

        Raises:
            UserError: the images are smaller than a transition can halve.
        """
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        x = Conv(2 * self.growth, 3, dtype=self.dtype, name="features.conv0")(images)
        taps = [x]
        for i, depth in enumerate(self.depths, 1):
            for j in range(1, depth + 1):
                layer = DenseLayer(
                    self.growth, self.dtype, self.axis_name, name=f"features.denseblock{i}.denselayer{j}"
                )
                x = layer(x, train=train)
            if i < len(self.depths):
                taps.append(x)
                x = norm(name=f"features.transition{i}.norm")(x, train=train)
                x = Conv(x.shape[-1] // 2, 1, dtype=self.dtype, name=f"features.transition{i}.conv")(x)
                x = average_pool(x)
        x = norm(name="features.norm5")(x, train=train)
        taps.append(x)
        features = Dropout(self.drop_rate, self.data_axis)(jnp.mean(x, (1, 2), dtype=jnp.float32), train=train)
        logits, kernel = Classifier(self.num_classes, name="classifier")(features)
        return Outputs(logits=logits, stages=tuple(taps), maps=x, kernel=kernel)


VARIANTS = {"cifar_densenet": Variant(CifarDenseNet, {"depths": (8, 24, 24), "growth": 40}, COMMON_OPTIONS)}
