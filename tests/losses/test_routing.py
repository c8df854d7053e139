import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.losses.routing import only_if, route


@given(strength=st.floats(-2, 2).filter(lambda s: s == 0 or abs(s) > 1e-6))
def test_route_keeps_the_value_and_scales_the_gradient(strength):
    x = jnp.array([1.5, -2.0])
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(route(x, strength) ** 2))(x)
    assert value == 6.25
    np.testing.assert_allclose(gradient, strength * 2 * x, rtol=1e-6)


def test_strength_zero_stops_the_gradient_exactly():
    gradient = jax.grad(lambda x: jnp.sum(route({"a": x}, 0.0)["a"] ** 2))(jnp.array([jnp.inf, 3.0]))
    np.testing.assert_array_equal(gradient, [0.0, 0.0])


def test_infinite_values_pass_unharmed():
    np.testing.assert_array_equal(route(jnp.array([jnp.inf]), 0.5), [jnp.inf])


def test_bfloat16_gradient_stays_bfloat16():
    gradient = jax.grad(lambda x: route(x, 0.1).astype(jnp.float32).sum())(jnp.ones(3, jnp.bfloat16))
    assert gradient.dtype == jnp.bfloat16


def test_a_condition_lets_all_of_the_gradient_through_or_none():
    for condition, expected in ((True, [3.0, -4.0]), (False, [0.0, 0.0])):
        f = lambda x, c=condition: jnp.sum(only_if(jnp.bool_(c), x) ** 2)  # noqa: E731
        value, gradient = jax.value_and_grad(f)(jnp.array([1.5, -2.0]))
        assert value == 6.25
        np.testing.assert_array_equal(gradient, expected)
