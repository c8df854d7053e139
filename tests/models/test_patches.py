import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models import lowering
from jdnet_jax.models.patches import PatchConv

CONV = PatchConv(5, 3, nn.initializers.normal(1.0))


@pytest.mark.parametrize("size", [(6, 9), (8, 10)])  # whole patches, and some pixels more
def test_is_a_convolution_without_overlap(size):
    x = jax.random.normal(jax.random.key(0), (2, *size, 4))
    variables = CONV.init(jax.random.key(1), x)
    variables["params"]["bias"] = jnp.arange(5.0)
    y, vjp = jax.vjp(lambda v: CONV.apply(v, x), variables)
    with lowering.plain():
        expected, expected_vjp = jax.vjp(lambda v: CONV.apply(v, x), variables)
    assert y.shape == (2, size[0] // 3, size[1] // 3, 5)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(vjp(y)), jax.tree.leaves(expected_vjp(y)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_by_hand():
    kernel = jnp.array([1.0, 10.0, 100.0, 1000.0]).reshape(2, 2, 1, 1)
    variables = {"params": {"kernel": kernel, "bias": jnp.array([0.5])}}
    x = jnp.arange(8.0).reshape(1, 2, 4, 1)  # rows 0 1 2 3 and 4 5 6 7
    y = PatchConv(1, 2, nn.initializers.zeros).apply(variables, x)
    np.testing.assert_array_equal(y.ravel(), [5410.5, 7632.5])


def test_computes_in_its_dtype():
    y, variables = CONV.clone(dtype=jnp.bfloat16).init_with_output(jax.random.key(0), jnp.ones((1, 3, 3, 2)))
    assert y.dtype == jnp.bfloat16
    assert variables["params"]["kernel"].dtype == jnp.float32
