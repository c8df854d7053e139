import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.cifar_dpn import CifarDPN, DualPathBlock
from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = CifarDPN(5, depths=(1, 1), growths=(2, 3), width=4, residual=4, groups=2)
    return module, *network_checks.initialised(module, size=8)


def test_sizes():
    # At 10 classes pytorch-cifar's 34.24 M, here to the last digit; then 990 classes more.
    network_checks.assert_outputs_match_the_description(
        "cifar_dpn92",
        params=34_236_634 + 990 * 2561,
        stages=[(320, 1), (672, 2), (1528, 4), (2560, 8)],
        size=32,
    )
    assert create("cifar_dpn92", 10).input_spec.size == 32


def test_names_are_pytorch_cifars():
    _, variables, _ = network_checks.shapes("cifar_dpn92", size=32)
    params = variables["params"]
    assert params["layer3.0"]["shortcut.0"]["kernel"].shape == (1, 1, 672, 1024 + 24)
    assert "shortcut.0" not in params["layer3.1"]
    assert params["layer3.19"]["conv1"]["kernel"].shape == (1, 1, 1024 + 20 * 24, 384)
    assert params["layer3.19"]["conv2"]["kernel"].shape == (3, 3, 12, 384)
    assert {"conv1", "bn1", "linear"} < set(params)


def test_the_paths_of_a_block_by_hand():
    # The last BatchNorm gives 1, 2, 3, 4 everywhere: two channels are added to the residual path, two are appended.
    x = jnp.array([-5.0, 10.0, 20.0, -1.0]).reshape(1, 1, 1, 4)
    block = DualPathBlock(4, 2, 2, 2, 1, False, jnp.float32, None)
    variables = jax.jit(functools.partial(block.init, train=False))(jax.random.key(0), x)
    params = {**variables["params"], "bn3": {"scale": jnp.zeros(4), "bias": jnp.array([1.0, 2.0, 3.0, 4.0])}}
    y = block.apply({**variables, "params": params}, x, train=False)
    np.testing.assert_array_equal(y[0, 0, 0], [0, 12, 20, 0, 3, 4])


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "linear")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)
