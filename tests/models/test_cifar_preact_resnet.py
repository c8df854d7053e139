import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.cifar_preact_resnet import CifarPreActResNet, PreActBlock
from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = CifarPreActResNet(5, depths=(1, 1), width=4)
    return module, *network_checks.initialised(module, size=8)


def test_sizes():
    # At 10 classes pytorch-cifar's 11.17 M, here to the last digit; then 990 classes more.
    network_checks.assert_outputs_match_the_description(
        "cifar_preact_resnet18",
        params=11_171_146 + 990 * 513,
        stages=[(64, 1), (128, 2), (256, 4), (512, 8)],
    )
    assert create("cifar_preact_resnet18", 10).input_spec.size == 32


def test_names_are_timms():
    _, variables, _ = network_checks.shapes("cifar_preact_resnet18")
    params = variables["params"]
    assert set(params["stages.1.blocks.0"]) == {"norm1", "conv1", "norm2", "conv2", "downsample.conv"}
    assert set(params["stages.0.blocks.0"]) == {"norm1", "conv1", "norm2", "conv2"}
    assert {"stem.conv", "head.fc"} < set(params)
    assert "norm" not in params  # nothing between the last block and the head


def test_a_block_adds_its_raw_input_or_a_projection_of_the_activations():
    # The second convolution is zero, so that the shortcut is left.
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    for features, stride in ((3, 1), (5, 2)):
        block = PreActBlock(features, stride, jnp.float32, None)
        variables = jax.jit(functools.partial(block.init, train=False))(jax.random.key(1), x)
        params = {**variables["params"], "conv2": {"kernel": jnp.zeros((3, 3, features, features))}}
        y = block.apply({**variables, "params": params}, x, train=False)
        expected = x
        if stride == 2:
            kernel = params["downsample.conv"]["kernel"][0, 0]
            expected = np.maximum(x[:, ::2, ::2] / np.sqrt(1 + 1e-5), 0) @ kernel
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "head.fc")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)
