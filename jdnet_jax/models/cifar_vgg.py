"""VGG with batch normalisation (Simonyan and Zisserman, ICLR 2015) for CIFAR's 32x32 images.

The network of pytorch-cifar (github.com/kuangliu/pytorch-cifar), which MEAL (AAAI 2019) used: five blocks of 3x3
convolutions with bias, each closed by 2x2 max-pooling, and one linear layer in place of the paper's three. Modules are
named as there and as in torchvision. From 64 pixels on, more than one position is left, and all are averaged;
pytorch-cifar takes 32x32 images alone. Initialisation: He fan-out for convolutions.
"""

from __future__ import annotations

import functools
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


class CifarVGG(nn.Module):
    """VGG whose feature maps are averaged and classified by one linear layer.

    On 32x32 images the maps that the head averages, and so the class activation map, are one pixel large.

    Attributes:
        num_classes: length of the logits.
        depths: convolutions in each block.
        widths: their channels.
        dtype: dtype of the computation; parameters, batch statistics and logits are float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        drop_rate: probability of Dropout before the classifier.
        data_axis: mapped axis that splits the batch, for Dropout's masks.
    """

    num_classes: int
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps: each block's output before its pooling, as in timm's VGG; MEAL tapped it after."""
        # The numbering counts convolution, BatchNorm and ReLU of each layer, and the pooling of each block.
        ends = [3 * sum(self.depths[: i + 1]) + i - 2 for i in range(len(self.depths))]
        return tuple(
            Stage(f"features.{end}", width, 2**i) for i, (end, width) in enumerate(zip(ends, self.widths, strict=True))
        )

    @property
    def input_spec(self) -> InputSpec:
        """Mean, deviation and size of the images."""
        return CIFAR_SPEC

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width 3"], *, train: bool = False) -> Outputs:
        """Runs the network on normalised images of at least 32x32 pixels.

        Raises:
            UserError: the images are smaller.
        """
        conv = functools.partial(Conv, kernel_size=3, use_bias=True, dtype=self.dtype)
        norm = functools.partial(BatchNorm, _EPSILON, "relu", dtype=self.dtype, axis_name=self.axis_name)
        x = images
        taps = []
        index = 0
        for depth, width in zip(self.depths, self.widths, strict=True):
            for _ in range(depth):
                x = conv(width, name=f"features.{index}")(x)
                x = norm(name=f"features.{index + 1}")(x, train=train)
                index += 3
            taps.append(x)
            x = max_pool(x, window=2, stride=2, padding=0)
            index += 1
        return linear_head(self, x, taps, "classifier", train=train)


VARIANTS = {
    "cifar_vgg19_bn": Variant(
        CifarVGG, {"depths": (2, 2, 4, 4, 4), "widths": (64, 128, 256, 512, 512)}, COMMON_OPTIONS
    ),
}
