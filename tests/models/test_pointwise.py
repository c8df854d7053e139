import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.pointwise import pointwise_conv


def test_by_hand():
    x, kernel = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0], [10.0]])
    y, vjp = jax.vjp(pointwise_conv, x, kernel)
    np.testing.assert_array_equal(y, [[21], [43]])
    dx, d_kernel = vjp(jnp.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(dx, [[1, 10], [2, 20]])
    np.testing.assert_array_equal(d_kernel, [[7], [10]])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("channels", [(24, 8), (8, 24)], ids=str)
def test_equals_the_plain_form_and_its_gradients(channels, dtype, strict_promotion):
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
