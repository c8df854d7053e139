import pytest

from jdnet_jax.models.registry import create
from jdnet_jax.models.spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from tests.models import network_checks

#: Counts, channels and image sizes (own weights, TensorFlow's) of timm 1.0.31 at 1000 classes.
SIZES = {
    "efficientnet_b0": (5_288_548, [24, 40, 112, 320], 224, 224),
    "efficientnet_b3": (12_233_232, [32, 48, 136, 384], 288, 300),
    "efficientnet_b4": (19_341_616, [32, 56, 160, 448], 320, 380),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name):
    params, channels, size, tensorflow_size = SIZES[name]
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)
    own, tensorflow = create(name, 10), create(f"tf_{name}", 10)
    assert own.input_spec == InputSpec(IMAGENET_MEAN, IMAGENET_STD, size)
    assert tensorflow.input_spec == InputSpec(IMAGENET_MEAN, IMAGENET_STD, tensorflow_size)
    assert (own.padding, own.epsilon) == ("symmetric", 1e-5)
    assert (tensorflow.padding, tensorflow.epsilon) == ("same", 1e-3)
    assert tensorflow.table == own.table


def test_the_ends_are_scaled_too():
    module, variables, _ = network_checks.shapes("efficientnet_b3", size=72)
    params = variables["params"]
    assert [len(blocks) for blocks in module.table] == [2, 3, 3, 5, 5, 6, 2]
    assert params["conv_stem"]["kernel"].shape == (3, 3, 3, 40)  # 38.4 rounds to 40
    assert params["conv_head"]["kernel"].shape == (1, 1, 384, 1536)
    assert params["blocks.0.0"]["se"]["conv_reduce"]["kernel"].shape == (1, 1, 40, 10)
    assert params["blocks.1.1"]["se"]["conv_reduce"]["kernel"].shape == (1, 1, 192, 8)  # a quarter of the block's input
    assert params["blocks.1.1"]["se"]["conv_expand"]["bias"].shape == (192,)
