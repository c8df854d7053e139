"""ConvNeXt (Liu et al., CVPR 2022), in sizes T and B of timm.

Initialisation: all kernels normal with deviation 0.02, biases zero, layer scale 1e-6, as in the paper and timm; the
head starts as every `Classifier`.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models import initializers
from jdnet_jax.models.layer_norm import EPSILON, layer_norm
from jdnet_jax.models.layers import DepthwiseConv, StochasticDepth
from jdnet_jax.models.linear_head import classify
from jdnet_jax.models.mlp import Mlp, linear_init
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.patches import PatchConv
from jdnet_jax.models.spec import COMMON_OPTIONS, DROP_PATH_RATE, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Stage, Variant

Map = Float[Array, "batch height width channels"]


class Block(nn.Module):
    """7x7 depthwise convolution, normalisation, a perceptron at each position, a factor for each channel; added.

    Attributes:
        drop_path_rate: probability that the branch is left out, in training.
        data_axis: mapped axis that splits the batch.
        dtype: dtype of the computation.
    """

    drop_path_rate: float
    data_axis: str | None
    dtype: Any

    @nn.compact
    def __call__(self, x: Map, *, train: bool) -> Map:
        """Returns the block's output."""
        conv = DepthwiseConv(7, dtype=self.dtype, use_bias=True, kernel_init=linear_init, name="conv_dw")
        y = Mlp(self.dtype, name="mlp")(layer_norm(self.dtype, "norm")(conv(x)))
        gamma = self.param("gamma", initializers.constant(1e-6), (x.shape[-1],), jnp.float32)
        y = y * gamma.astype(self.dtype)[None, None, None]
        return x + StochasticDepth(self.drop_path_rate, self.data_axis, name="drop_path")(y, train=train)


class PooledNorm(nn.Module):
    """Global average pooling, then layer normalisation; also of each position, with the statistics of the average.

    Attributes:
        dtype: dtype of the normalised feature map.
    """

    dtype: Any

    @nn.compact
    def __call__(self, x: Map) -> tuple[Float[Array, "batch channels"], Map]:
        """Returns the normalised average, float32, and feature maps whose average it is."""
        scale = self.param("scale", initializers.ones, (x.shape[-1],), jnp.float32)
        bias = self.param("bias", initializers.zeros, (x.shape[-1],), jnp.float32)
        pooled = jnp.mean(x, (1, 2), dtype=jnp.float32)
        mean, var = jnp.mean(pooled, -1, keepdims=True), jnp.var(pooled, -1, keepdims=True)
        factor = scale[None] / jnp.sqrt(var + EPSILON)
        offset = bias[None] - mean * factor
        maps = x.astype(jnp.float32) * factor[:, None, None] + offset[:, None, None]
        return (pooled - mean) * factor + bias[None], maps.astype(self.dtype)


class ConvNeXt(nn.Module):
    """A convolutional network made like a transformer.

    Its head normalises the average of the last feature map. `Outputs.maps` are that feature map with each position
    normalised by the statistics of the average: then `logits = mean(maps) @ kernel + bias` exactly, and the class
    activation map splits the logit over the positions exactly. (Grad-CAM of the last feature map differs: it
    differentiates the statistics too.)

    Attributes:
        num_classes: length of the logits.
        depths: blocks in each stage.
        widths: channels of each stage.
        dtype: dtype of the computation; parameters and logits are float32.
        axis_name: not used, as there is no BatchNorm; every network of the zoo has it.
        drop_rate: probability of Dropout before the classifier.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.
        data_axis: mapped axis that splits the batch, for what Dropout and stochastic depth draw.
    """

    num_classes: int
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: the output of each stage, at strides 4, 8, 16 and 32."""
        return tuple(Stage(f"stages.{i}", width, 4 * 2**i) for i, width in enumerate(self.widths))

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224)

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images."""
        x = PatchConv(self.widths[0], 4, linear_init, self.dtype, name="stem.0")(images)
        x = layer_norm(self.dtype, "stem.1")(x)
        rates = iter(np.linspace(0, self.drop_path_rate, sum(self.depths)))
        taps = []
        for i, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            if i > 0:
                x = layer_norm(self.dtype, f"stages.{i}.downsample.0")(x)
                x = PatchConv(width, 2, linear_init, self.dtype, name=f"stages.{i}.downsample.1")(x)
            for j in range(depth):
                block = Block(float(next(rates)), self.data_axis, self.dtype, name=f"stages.{i}.blocks.{j}")
                x = block(x, train=train)
            taps.append(x)
        features, maps = PooledNorm(self.dtype, name="head.norm")(x)
        logits, kernel = classify(self, features, "head.fc", train=train)
        return Outputs(logits=logits, stages=tuple(taps), maps=maps, kernel=kernel)


def _variant(depths: tuple[int, ...], widths: tuple[int, ...]) -> Variant:
    return Variant(ConvNeXt, {"depths": depths, "widths": widths}, {**COMMON_OPTIONS, **DROP_PATH_RATE})


VARIANTS = {
    "convnext_tiny": _variant((3, 3, 9, 3), (96, 192, 384, 768)),
    "convnext_base": _variant((3, 3, 27, 3), (128, 256, 512, 1024)),
}
