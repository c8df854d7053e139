import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.cifar_densenet import CifarDenseNet, DenseLayer
from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = CifarDenseNet(5, depths=(1, 1), growth=4)
    return module, *network_checks.initialised(module, size=8)


def test_sizes_by_hand():
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


def test_names_are_timms():
    _, variables, _ = network_checks.shapes("cifar_densenet")
    params = variables["params"]
    assert params["features.denseblock3.denselayer24"]["conv1"]["kernel"].shape == (1, 1, 580 + 23 * 40, 160)
    assert params["features.transition2.conv"]["kernel"].shape == (1, 1, 1160, 580)
    assert params["features.transition2.norm"]["scale"].shape == (1160,)
    assert params["features.norm5"]["scale"].shape == (1540,)


def test_a_layer_keeps_its_input_and_appends_to_it():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    y, _ = DenseLayer(2, jnp.float32, None).init_with_output(jax.random.key(1), x, train=False)
    np.testing.assert_array_equal(y[..., :3], x)
    assert y.shape == (2, 4, 4, 5)
    assert np.any(np.asarray(y[..., 3:]) != 0)


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)
