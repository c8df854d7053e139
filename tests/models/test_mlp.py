import math

import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.models import lowering
from jdnet_jax.models.mlp import Mlp, gelu

POINTS = np.linspace(-8, 8, 4001, dtype=np.float32)


def test_gelu_is_exact():
    expected = [x * 0.5 * math.erfc(-x / math.sqrt(2)) for x in POINTS.tolist()]
    np.testing.assert_allclose(gelu(jnp.asarray(POINTS)), expected, atol=1e-6)


def test_the_plain_form_of_gelu():
    with lowering.plain():
        plain = gelu(jnp.asarray(POINTS))
        operations = str(jax.make_jaxpr(gelu)(POINTS))
        assert gelu(jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16
    np.testing.assert_allclose(plain, gelu(jnp.asarray(POINTS)), atol=1e-6)
    assert "erf" not in operations


def test_mlp_by_hand():
    one = {"kernel": jnp.array([[1.0, -1.0]]), "bias": jnp.array([0.0, 1.0])}
    two = {"kernel": jnp.array([[2.0], [3.0]]), "bias": jnp.array([0.25])}
    y = Mlp(jnp.float32, expansion=2).apply({"params": {"fc1": one, "fc2": two}}, jnp.array([[1.0]]))
    np.testing.assert_allclose(y, [[2 * 0.8413447 + 0.25]], rtol=1e-6)  # GELU of 1 and of 0


def test_linear_layers_start_with_a_deviation_of_two_hundredths():
    params = Mlp(jnp.float32).init(jax.random.key(0), jnp.zeros((1, 64)))["params"]
    assert params["fc1"]["kernel"].shape == (64, 256)
    np.testing.assert_allclose(params["fc1"]["kernel"].std(), 0.02, rtol=0.05)
    np.testing.assert_array_equal(params["fc2"]["bias"], 0)
