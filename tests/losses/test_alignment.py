import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.losses.alignment import cosines, grids_align, normalize, to_common_grid


def test_normalize_by_hand():
    np.testing.assert_allclose(normalize(jnp.array([[3.0, 4.0]]), -1), [[0.6, 0.8]], rtol=1e-6)


def test_normalize_of_zero_is_zero_with_zero_gradient():
    value, gradient = jax.value_and_grad(lambda x: normalize(x, -1).sum())(jnp.zeros((2, 3)))
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


def test_normalize_gradient_is_bounded_just_above_the_threshold():
    gradient = jax.grad(lambda x: normalize(x, -1)[0])(jnp.array([1.1e-3, 0.0, 0.0]))
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient).max() <= 1000


@given(scale=st.floats(0.01, 1e4), seed=st.integers(0, 99))
def test_normalize_does_not_depend_on_the_scale(scale, seed):
    x = jax.random.normal(jax.random.key(seed), (2, 4, 3)) + 0.1
    np.testing.assert_allclose(normalize(scale * x, (1, 2)), normalize(x, (1, 2)), rtol=1e-3, atol=1e-5)


def test_normalize_computes_in_float32():
    assert normalize(jnp.ones((1, 3), jnp.bfloat16), -1).dtype == jnp.float32


def test_pooling_averages_blocks():
    a = jnp.arange(16.0).reshape(1, 4, 4, 1)
    pooled, other = to_common_grid(a, jnp.zeros((1, 2, 2, 5)))
    np.testing.assert_allclose(pooled[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    assert other.shape == (1, 2, 2, 5)


def test_grids_that_do_not_align():
    assert not grids_align((7, 7), (4, 4))
    assert not grids_align((8, 2), (4, 4))
    assert grids_align((8, 4), (4, 4))
    with pytest.raises(ValueError, match=r"grids \(7, 7\) and \(4, 4\) do not align"):
        to_common_grid(jnp.zeros((1, 7, 7, 1)), jnp.zeros((1, 4, 4, 1)))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_cosines_are_products_of_normalised_maps_and_so_are_their_gradients(dtype):
    keys = jax.random.split(jax.random.key(0), 3)
    a, b = (jax.random.normal(key, (2, 3, 4, 16)).astype(dtype) for key in keys[:2])
    a = a.at[0, 0, 0].set(0.0)  # of no direction
    g = jax.random.normal(keys[2], (2, 3, 4))
    expected, pull = jax.vjp(lambda a, b: jnp.sum(normalize(a, -1) * normalize(b, -1), -1), *map(jnp.float32, (a, b)))
    found, pull_found = jax.vjp(cosines, a, b)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for ours, reference in zip(pull_found(g), pull(g), strict=True):
        assert ours.dtype == dtype
        # Computed in float32 and rounded once.
        error = 1e-5 if dtype == jnp.float32 else float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.float32(ours), reference, rtol=error, atol=1e-6)
    assert not np.any(pull_found(g)[0][0, 0, 0])
    assert not np.any(pull_found(g)[1][0, 0, 0])
