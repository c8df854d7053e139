import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.squeeze_excite import SqueezeExcite


def variables(names):
    """Two channels reduced to one and expanded to two again."""
    reduce, expand = names
    return {
        "params": {
            reduce: {"kernel": jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1), "bias": jnp.array([-1.0])},
            expand: {"kernel": jnp.array([1.0, -1.0]).reshape(1, 1, 1, 2), "bias": jnp.array([0.0, 1.0])},
        }
    }


#: The means of two maps of one row and two columns are 2 and 1: reduced to 2 + 2 - 1 = 3, expanded to 3 and -2.
IMAGES = np.array([[1.0, 0.0], [3.0, 2.0]], np.float32).reshape(1, 1, 2, 2)


@pytest.mark.parametrize(
    ("module", "expanded", "gate"),
    [
        (SqueezeExcite(1), [3.0, -2.0], lambda x: 1 / (1 + np.exp(-x))),
        (SqueezeExcite(1, gate="hard_sigmoid"), [3.0, -2.0], lambda x: np.clip(x + 3, 0, 6) / 6),
        (
            SqueezeExcite(1, "silu", names=("conv_reduce", "conv_expand")),
            [3 / (1 + np.exp(-3)), 1 - 3 / (1 + np.exp(-3))],
            lambda x: 1 / (1 + np.exp(-x)),
        ),
    ],
    ids=["resnet", "hard", "efficientnet"],
)
def test_by_hand(module, expanded, gate):
    y = module.apply(variables(module.names), jnp.asarray(IMAGES))
    np.testing.assert_allclose(y, IMAGES * gate(np.array(expanded)), rtol=1e-6)


def test_the_activation_closes_what_is_negative():
    # Means -2 and -1 reduce to -5: the ReLU leaves nothing, and the gates see the second bias alone.
    y = SqueezeExcite(1).apply(variables(("fc1", "fc2")), jnp.asarray(-IMAGES))
    np.testing.assert_allclose(y, -IMAGES * np.array([0.5, 1 / (1 + np.exp(-1))]), rtol=1e-6)


def test_each_photo_has_gates_of_its_own():
    batch = jnp.asarray(np.concatenate([IMAGES, -IMAGES]))
    y = SqueezeExcite(1).apply(variables(("fc1", "fc2")), batch)
    for i in range(2):
        np.testing.assert_allclose(
            y[i], SqueezeExcite(1).apply(variables(("fc1", "fc2")), batch[i : i + 1])[0], rtol=1e-6
        )


def test_bfloat16():
    module = SqueezeExcite(4, dtype=jnp.bfloat16)
    x = jax.random.normal(jax.random.key(0), (2, 3, 3, 8))
    y, own = module.init_with_output(jax.random.key(1), x.astype(jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(own))
    np.testing.assert_allclose(y.astype(jnp.float32), SqueezeExcite(4).apply(own, x), rtol=0.03, atol=0.01)
