import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models import initializers

KEY = jax.random.key(5)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (1024,), (3, 3, 16, 8), (1025,)])
def test_normal_has_the_values_of_flax(shape):
    drawn = initializers.normal(0.25)(KEY, shape)
    assert drawn.shape == shape
    assert drawn.dtype == jnp.float32
    np.testing.assert_array_equal(drawn, nn.initializers.normal(0.25)(KEY, shape))


def test_normal_within_a_program_has_the_same_values_but_for_a_rounding():
    init = initializers.normal(0.02)
    np.testing.assert_allclose(jax.jit(lambda key: init(key, (7, 9)))(KEY), init(KEY, (7, 9)), rtol=3e-7)


def test_normal_of_another_dtype_and_of_shapes_alone():
    init = initializers.normal(2.0)
    assert init(KEY, (4,), jnp.bfloat16).dtype == jnp.bfloat16
    assert jax.eval_shape(lambda: init(KEY, (4, 2), jnp.bfloat16)) == jax.ShapeDtypeStruct((4, 2), jnp.bfloat16)


def test_few_programs_draw_many_shapes():
    initializers._standard_normal.clear_cache()
    for count in range(5000, 8193, 319):
        initializers.normal(1.0)(KEY, (count,))
    assert initializers._standard_normal._cache_size() == 1


def test_constants_need_no_key():
    np.testing.assert_array_equal(initializers.constant(0.5)(None, (2, 3)), np.full((2, 3), 0.5, np.float32))
    assert initializers.zeros(None, (2,), jnp.int32).tolist() == [0, 0]
    assert initializers.ones(KEY, ()).tolist() == 1.0
