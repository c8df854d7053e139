import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.cifar_mobilenet import CifarMobileNet, DepthwiseSeparable
from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = CifarMobileNet(5, depths=(1, 1), widths=(4, 8), stem=4)
    return module, *network_checks.initialised(module, size=8)


def test_sizes():
    # At 10 classes pytorch-cifar's 3.22 M, here to the last digit; then 990 classes more.
    network_checks.assert_outputs_match_the_description(
        "cifar_mobilenet",
        params=3_217_226 + 990 * 1025,
        stages=[(64, 1), (128, 2), (256, 4), (512, 8), (1024, 16)],
    )
    assert create("cifar_mobilenet", 10).input_spec.size == 32


def test_names_are_timms():
    _, variables, _ = network_checks.shapes("cifar_mobilenet")
    block = variables["params"]["blocks.3.5"]
    assert set(block) == {"conv_dw", "bn1", "conv_pw", "bn2"}
    assert block["conv_dw"]["kernel"].shape == (3, 3, 1, 512)
    assert {"conv_stem", "bn1", "classifier"} < set(variables["params"])


def test_a_block_has_no_shortcut_and_ends_in_relu():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    block = DepthwiseSeparable(3, 1, jnp.float32, None)
    variables = jax.jit(functools.partial(block.init, train=False))(jax.random.key(1), x)
    params = {**variables["params"], "conv_pw": {"kernel": jnp.zeros((1, 1, 3, 3))}}
    params["bn2"] = {"scale": jnp.ones(3), "bias": jnp.array([-1.0, 2.0, 7.0])}
    y = block.apply({**variables, "params": params}, x, train=False)
    np.testing.assert_array_equal(y, np.broadcast_to([0.0, 2.0, 7.0], (2, 4, 4, 3)))


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)
