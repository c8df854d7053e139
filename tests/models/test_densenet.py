import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.densenet import DenseLayer, DenseNet
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


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])
    assert float(jnp.min(outputs.maps)) == 0  # behind the last ReLU


def test_training_moves_every_statistic(tiny):
    network_checks.assert_training_moves_every_statistic(*tiny)


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)
