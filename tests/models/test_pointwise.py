import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.extend.core import jaxprs_in_params

from jdnet_jax.models import lowering
from jdnet_jax.models.pointwise import pointwise_conv, token_product


def test_by_hand():
    x, kernel = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0], [10.0]])
    y, vjp = jax.vjp(pointwise_conv, x, kernel)
    np.testing.assert_array_equal(y, [[21], [43]])
    dx, d_kernel = vjp(jnp.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(dx, [[1, 10], [2, 20]])
    np.testing.assert_array_equal(d_kernel, [[7], [10]])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("channels", [(24, 8), (8, 24)], ids=str)
def test_equals_the_plain_form_and_its_gradients(channels, dtype):
    keys = jax.random.split(jax.random.key(0), 3)
    x, kernel = jax.random.normal(keys[0], (50, channels[0]), dtype), jax.random.normal(keys[1], channels, dtype)
    g = jax.random.normal(keys[2], (50, channels[1]), dtype)

    @jax.jit
    def both(x, kernel, g):
        forms = []
        for form in (pointwise_conv, lambda x, kernel: x @ kernel):
            y, vjp = jax.vjp(form, x, kernel)
            forms.append((y, *vjp(g)))
        return forms

    tolerance = 1e-5 if dtype == jnp.float32 else 2e-2
    for value, expected in zip(*both(x, kernel, g), strict=True):
        assert value.dtype == dtype
        np.testing.assert_allclose(
            value.astype(jnp.float32), expected.astype(jnp.float32), rtol=tolerance, atol=tolerance
        )


def test_a_dense_layer_at_each_token_equals_flax_and_its_gradients():
    x, g = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(2, 5, 6), (2, 5, 4)]))
    flat, plain = nn.Dense(4, dot_general=token_product), nn.Dense(4)
    params = plain.init(jax.random.key(2), x)

    @jax.jit
    def both():
        forms = []
        for layer in (flat, plain):
            y, vjp = jax.vjp(layer.apply, params, x)
            forms.append((y, *jax.tree.leaves(vjp(g))))
        return forms

    for value, expected in zip(*both(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


def test_no_product_contracts_two_dimensions_but_the_plain_form_is_one_operation():
    x, layer = jnp.ones((2, 5, 6)), nn.Dense(4, dot_general=token_product)
    params = layer.init(jax.random.key(0), x)

    def gradients(params, x):
        return jax.grad(lambda p: layer.apply(p, x).sum())(params)

    def contracted(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                yield len(equation.params["dimension_numbers"][0][0])
            for inner in jaxprs_in_params(equation.params):
                yield from contracted(inner)

    found = list(contracted(jax.make_jaxpr(gradients)(params, x).jaxpr))
    assert found
    assert set(found) == {1}
    with lowering.plain():
        traced = jax.make_jaxpr(lambda x: layer.apply(params, x))(x)
    assert traced.jaxpr.eqns[0].primitive.name == "dot_general"  # of x itself
