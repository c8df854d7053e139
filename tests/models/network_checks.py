"""What every network of the zoo must do, asked by the tests of each family."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.models.registry import create


@functools.cache
def shapes(name, *, size=64):
    """The network for 1,000 classes, and the shapes of its variables and outputs; nothing is computed."""
    module = create(name, 1000)
    images = jnp.zeros((2, size, size, 3))
    outputs, variables = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), images))
    return module, variables, outputs


def assert_outputs_match_the_description(name, *, params, stages, size=64, pooled=1):
    """Number of parameters, and shapes of logits, stages and head against `module.stages` and the expected ones.

    The head's maps are `pooled` times smaller along each side than the last stage.
    """
    module, variables, outputs = shapes(name, size=size)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == params
    assert [(stage.channels, stage.stride) for stage in module.stages] == stages
    assert [o.shape for o in outputs.stages] == [(2, -(-size // s), -(-size // s), c) for c, s in stages]
    assert outputs.logits.shape == (2, 1000)
    if outputs.hidden is None:
        assert outputs.maps.shape[:3] == (2, *(side // pooled for side in outputs.stages[-1].shape[1:3]))
        assert outputs.kernel.shape == (outputs.maps.shape[-1], 1000)
    else:
        assert outputs.maps is None
        assert outputs.hidden.maps.shape[:3] == outputs.stages[-1].shape[:3]
        assert outputs.hidden.kernel.shape == (outputs.hidden.maps.shape[-1], outputs.kernel.shape[0])
        assert outputs.hidden.slopes.shape == (2, outputs.kernel.shape[0])
        assert outputs.kernel.shape[1] == 1000
    assert outputs.attention is None
    every = {"/".join(str(key.key) for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(variables)}
    for stage in module.stages:
        assert any(name.startswith((f"params/{stage.name}.", f"params/{stage.name}/")) for name in every)


def initialised(module, size=32, batch=4):
    """Variables with random statistics and scales, and a batch of images."""
    images = jax.random.normal(jax.random.key(1), (batch, size, size, 3))
    return jittered(jax.jit(module.init)(jax.random.key(0), images)), images


def jittered(variables):
    """Variables with a little added to each value, so that none is zero."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.1 * rng.random(leaf.shape), jnp.float32), variables)


def assert_head_is_gap_and_linear(module, variables, outputs, classifier):
    """logits == mean(maps) @ kernel + bias, and the class activation map follows from maps and kernel."""
    head = variables["params"][classifier]
    logits = np.mean(np.asarray(outputs.maps), (1, 2)) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
    np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(outputs.kernel, head["kernel"])
    labels = jnp.arange(outputs.logits.shape[0]) % module.num_classes
    for i, label in enumerate(labels):
        expected = np.maximum(np.asarray(outputs.maps[i]) @ np.asarray(head["kernel"])[:, label], 0)
        np.testing.assert_allclose(outputs.activation(labels)[i], expected, rtol=1e-3, atol=1e-3)


def assert_bfloat16_is_close(module, variables, images):
    """Trained in bfloat16, logits and statistics are float32 and features bfloat16, and the statistics move."""

    def run(module):
        return jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))(variables, images)

    outputs, updated = run(module.clone(dtype=jnp.bfloat16))
    assert outputs.logits.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(updated))
    maps = outputs.maps if outputs.hidden is None else outputs.hidden.maps
    assert all(stage.dtype == jnp.bfloat16 for stage in (*outputs.stages, maps))
    before = jax.tree.leaves(variables.get("batch_stats", {}))
    assert all(np.any(old != new) for old, new in zip(before, jax.tree.leaves(updated), strict=True))
    wide, _ = run(module)
    scale = float(jnp.std(wide.logits))
    np.testing.assert_allclose(outputs.logits, wide.logits, atol=0.25 * scale)


def assert_training_moves_every_statistic(module, variables, images):
    """Train mode changes the mean and variance of every BatchNorm, and nothing but them."""
    run = jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))
    _, updated = run(variables, images)
    assert updated.keys() == {"batch_stats"}
    for old, new in zip(jax.tree.leaves(variables["batch_stats"]), jax.tree.leaves(updated), strict=True):
        assert np.all(np.asarray(old) != np.asarray(new))
