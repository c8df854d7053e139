import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from jdnet_jax.models import lowering
from jdnet_jax.models.attention import SelfAttention, attend


def test_attention_by_hand():
    # One head of one channel: scores 0 and log 3, so that the values 4 and 8 have weights 1/4 and 3/4.
    queries, keys = jnp.ones((1, 1, 1, 1)), jnp.array([0.0, np.log(3.0)]).reshape(1, 2, 1, 1)
    mixed, weights = attend(queries, keys, jnp.array([4.0, 8.0]).reshape(1, 2, 1, 1))
    np.testing.assert_allclose(weights, [[[[0.25, 0.75]]]], rtol=1e-6)
    np.testing.assert_allclose(mixed, [[[7.0]]], rtol=1e-6)
    # Four channels: scores are halved.
    _, weights = attend(jnp.ones((1, 1, 1, 4)), jnp.repeat(keys, 4, -1), jnp.ones((1, 2, 1, 4)))
    np.testing.assert_allclose(weights, [[[[0.1, 0.9]]]], rtol=1e-6)


def test_the_softmax_is_float32_in_bfloat16():
    x = jnp.ones((1, 3, 2, 4), jnp.bfloat16)
    mixed, weights = attend(x, x, x)
    assert (mixed.dtype, weights.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)


def test_gradients_are_products_of_one_dtype_and_near_those_in_float32():
    keys = jax.random.split(jax.random.key(0), 4)
    parts = [jax.random.normal(key, (2, 5, 2, 8)) for key in keys[:3]]
    g = jax.random.normal(keys[3], (2, 5, 16))

    def gradients(*parts):
        return jax.vjp(lambda *parts: attend(*parts)[0], *parts)[1](g.astype(parts[0].dtype))

    halves = [part.astype(jnp.bfloat16) for part in parts]
    factors = _factors(jax.make_jaxpr(gradients)(*halves).jaxpr)
    assert len(factors) >= 2 * 6
    assert {str(factor.dtype) for factor in factors} == {"bfloat16"}
    for found, expected in zip(gradients(*halves), gradients(*parts), strict=True):
        error = jnp.linalg.norm(found.astype(jnp.float32) - expected) / jnp.linalg.norm(expected)
        assert error < 3 * float(jnp.finfo(jnp.bfloat16).eps)


def _factors(jaxpr):
    """What the matrix products of a program multiply."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found += [variable.aval for variable in equation.invars]
        for inner in jaxprs_in_params(equation.params):
            found += _factors(inner)
    return found


def test_attention_of_padded_tokens_is_that_of_the_tokens():
    """GPUs have the tokens padded to whole tiles; neither values nor gradients tell."""
    module = SelfAttention(2, jnp.float32)
    x, g = (jax.random.normal(jax.random.key(seed), (3, 21, 8)) for seed in (1, 2))
    variables = module.init(jax.random.key(0), x)

    def run(platform):
        with lowering.for_platform(platform):
            (out, weights), backward = jax.vjp(lambda variables, x: module.apply(variables, x), variables, x)
            return out, weights, backward((g, jnp.ones_like(weights)))

    (out, weights, gradients), padded = run("tpu"), run("gpu")
    assert weights.shape == (3, 2, 21, 21)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), (out, weights, gradients), padded)
    with lowering.for_platform("gpu"):
        traced = str(jax.make_jaxpr(lambda x: module.apply(variables, x))(x))
    assert "f32[3,2,32,32]" in traced  # scores of padded tokens
