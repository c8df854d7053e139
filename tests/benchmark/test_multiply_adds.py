import pytest

from jdnet_jax.benchmark.multiply_adds import multiply_adds
from tests import tiny_student


def test_a_small_network_by_hand():
    # resnet_tiny of width 4 at 32 pixels: a stem of stride 2, and three blocks of stride 2 with 4, 8 and 16 channels,
    # each of two 3x3 convolutions and, as both stride and channels change, one of 1x1 beside them.
    stem = 16 * 16 * 4 * 9 * 3
    blocks = sum(
        side * side * width * (9 * inputs + 9 * width + inputs)
        for side, inputs, width in ((8, 4, 4), (4, 4, 8), (2, 8, 16))
    )
    assert multiply_adds(tiny_student.card()) == stem + blocks + 16 * 7
    assert multiply_adds(tiny_student.card(dtype="int8")) == stem + blocks + 16 * 7


@pytest.mark.parametrize(
    ("model", "size", "published"),
    [("mobilenetv2_100", 224, 300e6), ("resnet18", 224, 1.8e9), ("tf_efficientnet_lite0", 224, 407e6)],
)
def test_known_networks_have_their_published_number(model, size, published):
    # MobileNetV2: table 3 of its paper; ResNet-18: table 1 of its paper; EfficientNet-Lite0: its release's table.
    card = tiny_student.card(
        model=model, options={}, image_size=size, shorter_side=256, classes=tuple(map(str, range(1000)))
    )
    assert multiply_adds(card) == pytest.approx(published, rel=0.06)
