import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.regnet import RegNet
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = RegNet(5, depths=(1, 2), widths=(8, 16), group_width=4)
    return module, *network_checks.initialised(module)


def test_sizes():
    # The count of timm 1.0.31 at 1000 classes.
    network_checks.assert_outputs_match_the_description(
        "regnety_160", params=83_590_140, stages=[(224, 4), (448, 8), (1232, 16), (3024, 32)], size=72
    )


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("regnety_160", size=72)
    params = variables["params"]
    assert set(params) >= {"stem.conv", "stem.bn", "head.fc"}
    assert set(params["s2.b2"]) == {
        *(f"conv{i}.{part}" for i in (1, 2, 3) for part in ("conv", "bn")),
        "se",
    }
    assert params["s2.b1"]["downsample.conv"]["kernel"].shape == (1, 1, 224, 448)
    assert params["s3.b1"]["conv2.conv"]["kernel"].shape == (3, 3, 112, 1232)
    # Squeeze-and-excitation is as wide as a quarter of the block's input.
    assert params["s2.b1"]["se"]["fc1"]["kernel"].shape == (1, 1, 448, 56)
    assert params["s2.b2"]["se"]["fc2"]["kernel"].shape == (1, 1, 112, 448)


def test_residual_branches_start_silent(tiny):
    module, _, images = tiny
    variables = jax.jit(module.init)(jax.random.key(0), images)
    np.testing.assert_array_equal(variables["params"]["s2.b2"]["conv3.bn"]["scale"], 0)
    stages = jax.jit(module.apply)(variables, images).stages
    shortcut = variables["params"]["s2.b1"]["downsample.conv"]["kernel"][0, 0]
    expected = np.maximum(stages[0][:, ::2, ::2] @ shortcut / np.sqrt(1 + 1e-5), 0)
    np.testing.assert_allclose(stages[1], expected, rtol=1e-4, atol=1e-5)


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "head.fc")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_training_moves_every_statistic(tiny):
    network_checks.assert_training_moves_every_statistic(*tiny)


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)


def test_drop_rate_is_used(tiny):
    module, variables, images = tiny

    def logits(rate):
        training = {"train": True, "mutable": ["batch_stats"], "rngs": {"dropout": jax.random.key(0)}}
        return jax.jit(functools.partial(module.clone(drop_rate=rate).apply, **training))(variables, images)[0].logits

    assert float(jnp.max(jnp.abs(logits(0.5) - logits(0.0)))) > 1e-3
