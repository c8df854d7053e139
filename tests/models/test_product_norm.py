import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models import lowering, product_norm
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.layers import Conv
from tests.closeness import assert_same

SHAPE, WIDE = (8, 3, 5, 4), 12


def draw():
    keys = jax.random.split(jax.random.key(0), 5)
    x = nn.relu(jax.random.normal(keys[0], SHAPE) + 0.5)
    params = {
        "conv": {"kernel": jax.random.normal(keys[1], (1, 1, 4, WIDE))},
        "bn": {"scale": 1 + jax.random.normal(keys[2], (WIDE,)), "bias": 2 + jax.random.normal(keys[3], (WIDE,))},
    }
    return x, params, jax.random.normal(keys[4], (*SHAPE[:3], WIDE)) + 0.3


def from_the_input(params, x, activation="none", axis_name=None):
    kernel, (scale, bias) = params["conv"]["kernel"][0, 0], (params["bn"][name] for name in ("scale", "bias"))
    y, mean, var = product_norm._normalize(x, kernel, scale, bias, 1e-3, activation, axis_name)
    return y, {"mean": 0.1 * mean, "var": 0.9 + 0.1 * var}  # as the running statistics, which start at 0 and 1


class Both(nn.Module):
    activation: str = "none"
    dtype: jnp.dtype = jnp.float32
    features: int = WIDE
    stride: int = 1

    @nn.compact
    def __call__(self, x, *, train=True):
        conv = Conv(self.features, 1, self.stride, dtype=self.dtype, name="conv")
        norm = BatchNorm(1e-3, self.activation, dtype=self.dtype, name="bn")
        return product_norm.product_norm(conv, norm, x, train=train)


def layers(params, x, activation="none", dtype=jnp.float32):
    stats = {"bn": {"mean": jnp.zeros(WIDE), "var": jnp.ones(WIDE)}}
    module = Both(activation, dtype)
    y, updated = module.apply({"params": params, "batch_stats": stats}, x, mutable=["batch_stats"])
    return y, updated["batch_stats"]["bn"]


@pytest.mark.parametrize("activation", ["none", "relu", "relu6", "silu", "hard_swish"])
def test_equals_both_layers_and_their_gradients(activation):
    x, params, g = draw()
    y, vjp, stats = jax.vjp(lambda p, x: from_the_input(p, x, activation), params, x, has_aux=True)
    expected_y, expected_vjp, expected_stats = jax.vjp(lambda p, x: layers(p, x, activation), params, x, has_aux=True)
    assert_same((y, stats, vjp(g)), (expected_y, expected_stats, expected_vjp(g)))


def test_statistics_of_a_split_batch_are_those_of_the_whole():
    x, params, g = draw()

    def run(x, g, axis_name):
        (y, stats), vjp = jax.vjp(lambda p, x: from_the_input(p, x, "relu6", axis_name), params, x)
        d_params, dx = vjp((g, jax.tree.map(jnp.zeros_like, stats)))
        return y, dx, stats, d_params

    y, dx, stats, d_params = run(x, g, None)
    shards = [a.reshape(4, 2, *a.shape[1:]) for a in (x, g)]
    split = jax.vmap(lambda x, g: run(x, g, "data"), axis_name="data")(*shards)
    assert_same((split[0].reshape(y.shape), split[1].reshape(SHAPE)), (y, dx))
    assert_same(split[2], jax.tree.map(lambda whole: np.tile(whole, (4, 1)), stats))
    assert_same(jax.tree.map(lambda part: part.sum(0), split[3]), d_params)


@pytest.mark.parametrize("activation", ["none", "relu6"])
def test_on_a_tpu_its_error_is_that_of_bfloat16(activation):
    x, params, g = draw()
    x, g = (a.astype(jnp.bfloat16).astype(jnp.float32) for a in (x, g))  # values that bfloat16 has

    def values(dtype, platform):
        with lowering.for_platform(platform):
            y, vjp, stats = jax.vjp(lambda p, x: layers(p, x, activation, dtype), params, x, has_aux=True)
            return [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves((y, stats, vjp(g.astype(dtype))))]

    exact, plain = values(jnp.float32, "cpu"), values(jnp.bfloat16, "cpu")
    for correct, usual, ours in zip(exact, plain, values(jnp.bfloat16, "tpu"), strict=True):
        error = np.linalg.norm(ours - correct)
        assert error < 1.5 * np.linalg.norm(usual - correct) + 1e-6
    assert any((usual != ours).any() for usual, ours in zip(plain, values(jnp.bfloat16, "tpu"), strict=True))


@pytest.mark.parametrize(
    ("platform", "fields", "train", "expected"),
    [
        ("tpu", {}, True, True),
        ("gpu", {}, True, False),
        ("cpu", {}, True, False),
        ("tpu", {}, False, False),
        ("tpu", {"dtype": jnp.float32}, True, False),
        ("tpu", {"features": 7}, True, False),
        ("tpu", {"features": 120}, True, False),  # as many as there are positions
        ("tpu", {"stride": 2}, True, False),
    ],
)
def test_where_the_convolution_s_input_is_enough(platform, fields, train, expected, monkeypatch):
    calls, normalize = [], product_norm._normalize
    monkeypatch.setattr(product_norm, "_normalize", lambda *args: calls.append(1) or normalize(*args))
    module = Both(**{"dtype": jnp.bfloat16, **fields})

    def apply(x):
        variables = module.init(jax.random.key(0), x, train=False)
        return module.apply(variables, x, train=train, mutable=["batch_stats"])

    with lowering.for_platform(platform):
        jax.eval_shape(apply, jnp.zeros(SHAPE))
    assert bool(calls) == expected
