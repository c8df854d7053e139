"""The description of a network of the zoo: its taps, its input, and the options that a config may set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


@dataclasses.dataclass(frozen=True)
class Stage:
    """A tap: one entry of `Outputs.stages`.

    Attributes:
        name: the module whose output it is, in timm's naming.
        channels: its number of channels.
        stride: input pixels for each of its pixels, along each side.
    """

    name: str
    channels: int
    stride: int


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """The images a network was made for.

    Attributes:
        mean: per-channel RGB mean to subtract, in [0, 255] units; of a network that takes the region of interest and
            its context (RveRNet) the mean of the one's channels, then that of the other's.
        std: per-channel RGB deviation to divide by, in [0, 255] units, ordered as `mean`.
        size: side of the square image that the published weights were trained on, in pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int

    @property
    def channels(self) -> int:
        """Channels of the images: 3, or 6 for the region of interest and its context side by side."""
        return len(self.mean)

    def one_image(self, size: int | None = None) -> jax.ShapeDtypeStruct:
        """A batch of one float32 image [1, size, size, channels], to trace a network with; None: the published size."""
        side = self.size if size is None else size
        return jax.ShapeDtypeStruct((1, side, side, self.channels), jnp.float32)


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a network that a config may set.

    Attributes:
        accepts: says whether a value is allowed.
        allowed: the allowed values in words, for the error message.
    """

    accepts: Callable[[Any], bool]
    allowed: str


@dataclasses.dataclass(frozen=True)
class Variant:
    """One name of the zoo: the module it builds, the fields that are fixed by the name, the options left open."""

    module: Callable[..., nn.Module]
    fields: Mapping[str, Any]
    options: Mapping[str, Option]


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


#: Options that every network of the zoo has.
COMMON_OPTIONS: Mapping[str, Option] = {"drop_rate": Option(_is_rate, "a number in [0, 1)")}

#: The option of networks with residual branches that stochastic depth leaves out.
DROP_PATH_RATE: Mapping[str, Option] = {"drop_path_rate": Option(_is_rate, "a number in [0, 1)")}

#: Statistics of ImageNet's training images, as torchvision and timm use them (0.485, 0.456, 0.406 times 255, ...).
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

#: Statistics of CIFAR-10's training images as pytorch-cifar and MEAL use them (0.4914, 0.4822, 0.4465 times 255, ...).
#: The deviations are smaller than those over all pixels, which are near 63.
CIFAR_SPEC = InputSpec(mean=(125.307, 122.961, 113.8575), std=(51.5865, 50.847, 51.255), size=32)
