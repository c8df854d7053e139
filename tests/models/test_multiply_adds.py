from typing import ClassVar

import jax.numpy as jnp
import pytest
from flax import linen as nn

from jdnet_jax.models import create
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.models.outputs import Outputs


def test_a_small_network_by_hand():
    # resnet_tiny of width 4 at 32 pixels: a stem of stride 2, and three blocks of stride 2 with 4, 8 and 16 channels,
    # each of two 3x3 convolutions and, as both stride and channels change, one of 1x1 beside them.
    stem = 16 * 16 * 4 * 9 * 3
    blocks = sum(
        side * side * width * (9 * inputs + 9 * width + inputs)
        for side, inputs, width in ((8, 4, 4), (4, 4, 8), (2, 8, 16))
    )
    assert multiply_adds(create("resnet_tiny", 7, width=4), 32) == stem + blocks + 16 * 7
    assert multiply_adds(create("resnet_tiny", 7, width=4, dtype=jnp.bfloat16), 32) == stem + blocks + 16 * 7


class Grouped(nn.Module):
    """A grouped convolution and attention between its positions, and a product that the logits do not need."""

    input_spec: ClassVar = create("resnet_tiny", 2).input_spec

    @nn.compact
    def __call__(self, images, *, train=False):
        x = Conv(8, 3, 2, groups=2, name="conv")(Conv(4, 1, name="first")(images))
        tokens = x.reshape(1, -1, 8)
        mixed = nn.softmax(tokens @ tokens.swapaxes(1, 2)) @ tokens
        return Outputs(logits=jnp.mean(mixed, 1), stages=(x @ jnp.ones((8, 100)),))


def test_groups_attention_and_what_the_logits_do_not_need():
    # 1x1 at 6x6 pixels from 3 to 4 channels; 3x3 at 3x3 pixels from 2 channels of a group; nine tokens of 8 channels.
    assert multiply_adds(Grouped(), 6) == 36 * 3 * 4 + 9 * 8 * 9 * 2 + 2 * (9 * 9 * 8)


@pytest.mark.parametrize(
    ("model", "published"), [("mobilenetv2_100", 300e6), ("resnet18", 1.8e9), ("tf_efficientnet_lite0", 407e6)]
)
def test_known_networks_have_their_published_number(model, published):
    # MobileNetV2: table 3 of its paper; ResNet-18: table 1 of its paper; EfficientNet-Lite0: its release's table.
    assert multiply_adds(create(model, 1000), 224) == pytest.approx(published, rel=0.06)
