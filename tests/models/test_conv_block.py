import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.conv_block import ConvBlockSpec


def test_convolution_norm_and_activation():
    module = ConvBlockSpec(4, 3, 2, "relu").build(BlockSettings(), "block")
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 4))
    y, variables = module.init_with_output(jax.random.key(1), x, train=False)
    assert y.shape == (2, 3, 3, 4)
    assert float(y.min()) == 0
    assert float(y.max()) > 0
    assert variables["params"]["conv"].keys() == {"kernel"}
    variables["params"]["bn1"]["bias"] = -100 * jnp.ones(4)
    np.testing.assert_array_equal(module.apply(variables, x, train=False), jnp.zeros(y.shape))


def test_there_is_no_shortcut():
    module = ConvBlockSpec(4, 1, 1, "none").build(BlockSettings(), "block")
    x = jnp.ones((1, 2, 2, 4))
    variables = module.init(jax.random.key(1), x, train=False)
    variables["params"]["bn1"]["scale"] = jnp.zeros(4)
    np.testing.assert_array_equal(module.apply(variables, x, train=False), jnp.zeros(x.shape))
