import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models.batch_norm import BatchNorm
from tests.closeness import assert_same

ACTIVATIONS = {
    "none": lambda x: x,
    "relu": nn.relu,
    "relu6": nn.relu6,
    "silu": lambda x: x / (1 + jnp.exp(-x)),
    "hard_swish": lambda x: x * jnp.clip(x + 3, 0, 6) / 6,
}
CORNERED = ("relu", "relu6")
SHAPE = (8, 3, 5, 4)


def draw(seed=0):
    keys = jax.random.split(jax.random.key(seed), 4)
    x = 4 * jax.random.normal(keys[0], SHAPE) + 2
    params = {"scale": 3 + jax.random.normal(keys[1], (4,)), "bias": 2 + jax.random.normal(keys[2], (4,))}
    return x, params, jax.random.normal(keys[3], SHAPE)


def apply(params, x, train=True, **fields):
    variables = {"params": params, "batch_stats": {"mean": jnp.full(4, 10.0), "var": jnp.full(4, 3.0)}}
    y, updated = BatchNorm(1e-3, **fields).apply(variables, x, train=train, mutable=["batch_stats"])
    return y, updated["batch_stats"]


def test_by_hand():
    # Mean 3, biased variance 4, so the four values become -1, -1, 1, 1 and then 2 * that + 1.
    x = jnp.array([1.0, 1.0, 5.0, 5.0]).reshape(2, 2, 1, 1)
    variables = {
        "params": {"scale": jnp.array([2.0]), "bias": jnp.array([1.0])},
        "batch_stats": {"mean": jnp.array([10.0]), "var": jnp.array([20.0])},
    }
    y, updated = BatchNorm(0.0).apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(y.ravel(), [-1, -1, 3, 3], rtol=1e-6)
    np.testing.assert_allclose(updated["batch_stats"]["mean"], [0.9 * 10 + 0.1 * 3], rtol=1e-6)
    np.testing.assert_allclose(updated["batch_stats"]["var"], [0.9 * 20 + 0.1 * 4], rtol=1e-6)
    rectified, _ = BatchNorm(0.0, "relu").apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(rectified.ravel(), [0, 0, 3, 3], rtol=1e-6)
    y = BatchNorm(0.0).apply(variables, x, train=False)
    np.testing.assert_allclose(y.ravel(), 2 * (x.ravel() - 10) / 20**0.5 + 1, rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_flax_and_its_gradients(activation):
    x, params, g = draw()

    def reference(params, x):
        variables = {"params": params, "batch_stats": {"mean": jnp.full(4, 10.0), "var": jnp.full(4, 3.0)}}
        norm = nn.BatchNorm(use_running_average=False, momentum=0.9, epsilon=1e-3)
        y, updated = norm.apply(variables, x, mutable=["batch_stats"])
        return ACTIVATIONS[activation](y), updated["batch_stats"]

    @functools.partial(jax.jit, static_argnums=0)
    def run(function, params, x, g):
        y, vjp, stats = jax.vjp(function, params, x, has_aux=True)
        return y, stats, vjp(g)

    found = run(functools.partial(apply, activation=activation), params, x, g)
    expected = run(reference, params, x, g)
    if activation in CORNERED:  # both sides of the corner
        assert 0.1 < np.mean(np.asarray(expected[0]) == found[0].min()) < 0.9
    assert_same(found, expected)


def test_the_gradient_is_zero_at_the_corners_and_beyond():
    params = {"scale": jnp.ones(4), "bias": jnp.zeros(4)}
    x = jnp.zeros(SHAPE)  # a constant batch normalises to the bias: the corner of ReLU
    gradient = jax.grad(lambda p: jnp.sum(apply(p, x, activation="relu")[0]))(params)
    np.testing.assert_array_equal(gradient["bias"], 0)
    params["bias"] = jnp.full(4, 6.0)  # the upper corner of ReLU6
    gradient = jax.grad(lambda p: jnp.sum(apply(p, x, activation="relu6")[0]))(params)
    np.testing.assert_array_equal(gradient["bias"], 0)
    params["bias"] = jnp.full(4, 5.0)
    gradient = jax.grad(lambda p: jnp.sum(apply(p, x, activation="relu6")[0]))(params)
    np.testing.assert_array_equal(gradient["bias"], np.prod(SHAPE[:3]))


def test_statistics_of_a_split_batch_are_those_of_the_whole():
    x, params, g = draw()

    def run(params, x, g, axis_name):
        (y, stats), vjp = jax.vjp(lambda p, x: apply(p, x, activation="relu6", axis_name=axis_name), params, x)
        d_params, dx = vjp((g, jax.tree.map(jnp.zeros_like, stats)))
        return y, dx, stats, d_params

    y, dx, stats, d_params = jax.jit(functools.partial(run, axis_name=None))(params, x, g)
    shards = [a.reshape(4, 2, *SHAPE[1:]) for a in (x, g)]
    split = jax.jit(jax.vmap(lambda x, g: run(params, x, g, "data"), axis_name="data"))(*shards)
    assert_same((split[0].reshape(SHAPE), split[1].reshape(SHAPE)), (y, dx))
    assert_same(split[2], jax.tree.map(lambda whole: np.tile(whole, (4, 1)), stats))
    assert_same(jax.tree.map(lambda part: part.sum(0), split[3]), d_params)  # each shard has its share of the gradient


def test_one_device_sends_nothing():
    x, params, _ = draw()

    def loss(params, x):
        return jnp.sum(apply(params, x, axis_name="data")[0])

    def sent(devices):
        shard = jax.ShapeDtypeStruct((SHAPE[0] // devices, *SHAPE[1:]), x.dtype)
        return str(jax.make_jaxpr(jax.grad(loss), axis_env=[("data", devices)])(params, shard)).count("psum")

    assert sent(1) == 0
    assert sent(2) > 0


def test_bfloat16_keeps_float32_statistics():
    x, params, _ = draw()
    y, stats = apply(params, x.astype(jnp.bfloat16), dtype=jnp.bfloat16)
    assert y.dtype == jnp.bfloat16
    assert all(value.dtype == jnp.float32 for value in stats.values())
    np.testing.assert_allclose(y.astype(jnp.float32), apply(params, x)[0], rtol=0.02, atol=0.05)


def test_initialisation_leaves_the_running_statistics_alone():
    variables = BatchNorm(1e-3, axis_name="data").init(jax.random.key(0), jnp.full(SHAPE, 7.0), train=True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], 1)
    np.testing.assert_array_equal(variables["params"]["scale"], 1)


class Sloped(nn.Module):
    """A layer's output and its slopes."""

    activation: str

    @nn.compact
    def __call__(self, x, *, train):
        norm = BatchNorm(1e-3, self.activation, name="bn")
        return norm(x, train=train), norm.slope(x, train=train)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_are_derivatives_with_constant_statistics(activation, train):
    x, params, _ = draw()
    mean, var = (x.mean((0, 1, 2)), x.var((0, 1, 2))) if train else (jnp.full(4, 10.0), jnp.full(4, 3.0))
    variables = {"params": {"bn": params}, "batch_stats": {"bn": {"mean": jnp.full(4, 10.0), "var": jnp.full(4, 3.0)}}}
    run = functools.partial(Sloped(activation).apply, train=train, mutable=["batch_stats"])
    (_, slopes), _ = jax.jit(run)(variables, x)

    def layer(x):
        y = (x - mean) * (params["scale"] / jnp.sqrt(var + 1e-3))[None, None, None] + params["bias"]
        return jnp.sum(ACTIVATIONS[activation](y))

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected = jax.jit(jax.grad(layer))(x)
    assert_same(slopes, expected)
