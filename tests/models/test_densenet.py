import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.densenet import DenseLayer, DenseNet
from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = DenseNet(5, depths=(2, 1), growth=4)
    return module, *network_checks.initialised(module)


@pytest.mark.parametrize(
    ("name", "params", "channels"),
    [
        # Counts of timm 1.0.31 at 1000 classes.
        ("densenet121", 7_978_856, [256, 512, 1024, 1024]),
        ("densenet161", 28_681_000, [384, 768, 2112, 2208]),
        ("densenet169", 14_149_480, [256, 512, 1280, 1664]),
        ("densenet201", 20_013_928, [256, 512, 1792, 1920]),
    ],
)
def test_sizes(name, params, channels):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages)


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("densenet121")
    params = variables["params"]
    assert set(params) >= {"features.conv0", "features.norm0", "features.norm5", "classifier"}
    layer = params["features.denseblock2.denselayer12"]
    assert set(layer) == {"norm1", "conv1", "norm2", "conv2"}
    assert layer["conv1"]["kernel"].shape == (1, 1, 128 + 11 * 32, 128)
    assert layer["conv2"]["kernel"].shape == (3, 3, 128, 32)
    assert params["features.transition1.conv"]["kernel"].shape == (1, 1, 256, 128)


def test_sizes_of_the_network_for_cifar_by_hand():
    # A layer on c channels: BatchNorm of c, 1x1 to 160, BatchNorm of 160, 3x3 to 40. A transition halves the channels.
    params, channels, stages = 3 * 9 * 80, 80, [(80, 1)]
    for i, depth in enumerate((8, 24, 24)):
        for _ in range(depth):
            params += 2 * channels + channels * 160 + 2 * 160 + 160 * 9 * 40
            channels += 40
        stages.append((channels, 2**i))
        params += 2 * channels
        if i < 2:
            params += channels * (channels // 2)
            channels //= 2
    params += (channels + 1) * 1000
    network_checks.assert_outputs_match_the_description("cifar_densenet", params=params, stages=stages)
    assert create("cifar_densenet", 10).input_spec.size == 32


def test_names_of_the_network_for_cifar():
    _, variables, _ = network_checks.shapes("cifar_densenet")
    params = variables["params"]
    assert params["features.denseblock3.denselayer24"]["conv1"]["kernel"].shape == (1, 1, 580 + 23 * 40, 160)
    assert params["features.transition2.conv"]["kernel"].shape == (1, 1, 1160, 580)
    assert params["features.transition2.norm"]["scale"].shape == (1160,)
    assert params["features.norm5"]["scale"].shape == (1540,)
    assert "features.norm0" not in params


def test_a_side_that_is_odd_loses_its_last_pixel():
    # 72 pixels: 18, 9, 4, 2 (timm's pooling rounds down).
    _, _, outputs = network_checks.shapes("densenet121", size=72)
    assert [stage.shape[1] for stage in outputs.stages] == [18, 9, 4, 2]


def test_a_layer_adds_its_channels_behind_those_that_it_reads(tiny):
    module, variables, images = tiny
    stages = jax.jit(module.apply)(variables, images).stages
    # 8 channels of the stem and 4 of the first layer: the second layer reads these twelve.
    own = {key: group["features.denseblock1.denselayer2"] for key, group in variables.items()}
    added = DenseLayer(4, jnp.float32, None).apply(own, stages[0][..., :12], train=False)
    np.testing.assert_allclose(stages[0][..., 12:], added, rtol=1e-4, atol=1e-4)


def test_pooling_before_a_transitions_convolution_is_pooling_behind_it(tiny):
    module, variables, images = tiny
    stages = jax.jit(module.apply)(variables, images).stages
    params, stats = (variables[key]["features.transition1.norm"] for key in ("params", "batch_stats"))
    x = (stages[0] - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * params["scale"] + params["bias"]
    x = np.maximum(x, 0) @ np.asarray(variables["params"]["features.transition1.conv"]["kernel"][0, 0])
    x = x.reshape(4, 4, 2, 4, 2, 8).mean((2, 4))
    # The first channels behind the last block's BatchNorm are the transition's.
    params, stats = (variables[key]["features.norm5"] for key in ("params", "batch_stats"))
    factor = params["scale"][:8] / np.sqrt(stats["var"][:8] + 1e-5)
    expected = np.maximum((x - stats["mean"][:8]) * factor + params["bias"][:8], 0)
    np.testing.assert_allclose(stages[1][..., :8], expected, rtol=1e-4, atol=1e-4)


def test_the_plain_form_is_the_same_network(tiny):
    module, variables, images = tiny
    expected = jax.jit(module.apply)(variables, images).logits
    with lowering.plain():
        plain = jax.jit(lambda v, x: module.apply(v, x))(variables, images).logits
    np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def small():
    """With the stem for small images."""
    module = DenseNet(5, depths=(1, 1), growth=4, small_stem=True)
    return module, *network_checks.initialised(module, size=8)


def test_the_small_stem_is_tapped_and_read_as_it_is(small):
    module, variables, images = small
    stages = jax.jit(module.apply)(variables, images).stages
    assert [stage.shape[1:] for stage in stages] == [(8, 8, 8), (8, 8, 12), (4, 4, 10)]
    np.testing.assert_allclose(stages[1][..., :8], stages[0], rtol=1e-6)  # the layer's own channels come behind


@pytest.mark.parametrize("fixture", ["tiny", "small"])
def test_head(fixture, request):
    module, variables, images = request.getfixturevalue(fixture)
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])
    assert float(jnp.min(outputs.maps)) == 0  # behind the last ReLU


def test_training_moves_every_statistic(tiny):
    network_checks.assert_training_moves_every_statistic(*tiny)


@pytest.mark.parametrize("fixture", ["tiny", "small"])
def test_bfloat16(fixture, request):
    network_checks.assert_bfloat16_is_close(*request.getfixturevalue(fixture))
