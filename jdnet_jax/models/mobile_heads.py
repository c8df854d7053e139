"""The two kinds of head of mobile networks: the last convolution before the pooling, or after it.

A head is called inside a network's compact method, whose modules its layers become.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.models.batch_norm import Activation, activate, pass_gradient
from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.outputs import HiddenLayer, Outputs
from jdnet_jax.models.parameter import Parameter
from jdnet_jax.models.pointwise import EXACT

#: From features [batch, channels] to the logits, and the kernel that made them: `linear_head.classify`.
Classify = Callable[[Array], tuple[Array, Parameter | None]]


@runtime_checkable
class Head(Protocol):
    """The head of a mobile network: the layers after the last block."""

    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        classify: Classify,
        settings: BlockSettings,
        *,
        train: bool,
    ) -> Outputs:
        """Returns everything in a network's outputs except the stages."""


@dataclasses.dataclass(frozen=True)
class ConvHead:
    """1x1 convolution, BatchNorm and activation, then global average pooling and the classifier.

    Attributes:
        features: channels of the convolution.
        activation: activation after BatchNorm.
    """

    features: int
    activation: Activation

    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        classify: Classify,
        settings: BlockSettings,
        *,
        train: bool,
    ) -> Outputs:
        """Returns the outputs except the stages; see `Head`."""
        x = settings.conv(self.features, 1, name="conv_head")(x)
        x = settings.norm(self.activation, name="bn2")(x, train=train)
        logits, kernel = classify(jnp.mean(x, (1, 2), dtype=jnp.float32))
        return Outputs(logits=logits, stages=(), maps=x, kernel=kernel)


@dataclasses.dataclass(frozen=True)
class HiddenHead:
    """Global average pooling, a hidden layer (a 1x1 convolution of the pooled map) and the classifier, all float32.

    Attributes:
        features: number of hidden units.
        activation: activation of the hidden units.
        norm: whether BatchNorm (MobileNetV4), in place of a bias (MobileNetV3), stands before the activation.
    """

    features: int
    activation: Activation
    norm: bool

    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        classify: Classify,
        settings: BlockSettings,
        *,
        train: bool,
    ) -> Outputs:
        """Returns the outputs except the stages; see `Head`."""
        pooled = jnp.mean(x, (1, 2), dtype=jnp.float32, keepdims=True)
        conv = Conv(self.features, 1, use_bias=not self.norm, precision=EXACT, name="conv_head")
        y = conv(pooled)
        if self.norm:
            norm = dataclasses.replace(settings, dtype=jnp.float32).norm(self.activation, name="norm_head")
            hidden, slopes = norm(y, train=train), norm.slope(y, train=train)
        else:
            hidden, slopes = activate(y, self.activation), pass_gradient(y, self.activation, jnp.ones_like(y))
        logits, kernel = classify(jnp.squeeze(hidden, (1, 2)))
        layer = HiddenLayer(x, conv.get_variable("params", "kernel")[0, 0], jnp.squeeze(slopes, (1, 2)))
        return Outputs(logits=logits, stages=(), kernel=kernel, hidden=layer)
