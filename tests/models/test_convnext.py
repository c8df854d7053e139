import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.convnext import ConvNeXt
from tests.models import network_checks


@functools.cache
def small(**options):
    module = ConvNeXt(5, depths=(1, 1), widths=(4, 8), **options)
    return module, *network_checks.initialised(module)


@functools.cache
def passed():
    module, variables, images = small()
    return jax.jit(module.apply)(variables, images)


@pytest.mark.parametrize(
    ("name", "params", "channels"),
    [
        # Counts of timm 1.0.31 at 1000 classes.
        ("convnext_tiny", 28_589_128, [96, 192, 384, 768]),
        ("convnext_base", 88_591_464, [128, 256, 512, 1024]),
    ],
)
def test_sizes(name, params, channels):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=64)


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("convnext_tiny")
    params = variables["params"]
    assert params["stem.0"]["kernel"].shape == (4, 4, 3, 96)
    assert params["stages.1.downsample.1"]["kernel"].shape == (2, 2, 96, 192)
    assert params["stages.2.blocks.8"]["conv_dw"]["kernel"].shape == (7, 7, 1, 384)
    assert params["stages.2.blocks.8"]["mlp"]["fc1"]["kernel"].shape == (384, 1536)
    assert set(params["stages.0.blocks.0"]) == {"conv_dw", "norm", "mlp", "gamma"}
    assert set(params) >= {"stem.1", "stages.3.downsample.0", "head.norm", "head.fc"}


def test_the_maps_of_the_head_average_to_the_logits():
    module, variables, _ = small()
    outputs = passed()
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "head.fc")
    pooled = np.asarray(outputs.stages[-1]).mean((1, 2))
    expected = (pooled - pooled.mean(-1, keepdims=True)) / np.sqrt(pooled.var(-1, keepdims=True) + 1e-6)
    norm = variables["params"]["head.norm"]
    np.testing.assert_allclose(
        np.asarray(outputs.maps).mean((1, 2)), expected * norm["scale"] + norm["bias"], rtol=1e-3, atol=1e-4
    )


def test_bfloat16():
    network_checks.assert_bfloat16_is_close(*small())


def test_every_parameter_is_learned():
    module, variables, images = small()
    loss = lambda params: jnp.sum(module.apply({"params": params}, images, train=True).logits ** 2)  # noqa: E731
    gradients = jax.jit(jax.grad(loss))(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.any(np.asarray(leaf) != 0), jax.tree_util.keystr(path)


def test_the_plain_form_computes_the_same():
    module, variables, images = small()
    fast = passed()
    with lowering.plain():
        plain = jax.jit(lambda v, x: module.apply(v, x))(variables, images)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(fast), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_stochastic_depth_leaves_out_branches():
    module, variables, images = small(drop_path_rate=0.9)
    run = jax.jit(lambda v, x: module.apply(v, x, train=True, rngs={"dropout": jax.random.key(0)}))
    dropped, kept = run(variables, images), passed()
    np.testing.assert_allclose(dropped.stages[0], kept.stages[0], rtol=1e-6)  # the first block's rate is 0
    assert np.abs(dropped.stages[1] - kept.stages[1]).max() > 1e-3
