import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models import create, initialization, initializers
from jdnet_jax.models.spec import InputSpec
from jdnet_jax.process.errors import UserError

KEY = jax.random.key(3)


@pytest.mark.parametrize("name", ["resnet_tiny", "deit_tiny_distilled_test"])
def test_what_is_drawn_is_what_the_module_would_initialise_itself_with(name):
    module = create(name, 4)
    drawn = initialization.draw(module, 64, KEY)
    expected = jax.jit(lambda key: module.init(key, jnp.zeros((1, 64, 64, 3)), train=False))(KEY)
    assert jax.tree.structure(drawn) == jax.tree.structure(expected)
    for (path, value), wanted in zip(
        jax.tree_util.tree_leaves_with_path(drawn), jax.tree.leaves(expected), strict=True
    ):
        assert value.dtype == wanted.dtype
        np.testing.assert_allclose(value, wanted, rtol=3e-7, err_msg=jax.tree_util.keystr(path))


def test_shapes_are_those_of_outputs_and_variables():
    module = create("resnet_tiny", 4)
    outputs, variables = initialization.shapes(module, 64)
    assert outputs.logits.shape == (1, 4)
    drawn = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), initialization.draw(module, 64, KEY)
    )
    assert variables == drawn


def test_some_alone_are_those_of_all():
    module = create("resnet_tiny", 4)
    paths = [("params", "fc", "kernel"), ("params", "fc", "bias")]
    some = initialization.draw_some(module, 64, KEY, paths)
    assert set(some) == set(paths)
    whole = initialization.draw(module, 64, KEY)["params"]["fc"]
    np.testing.assert_array_equal(some["params", "fc", "kernel"], whole["kernel"])
    assert initialization.draw_some(module, 64, KEY, []) == {}


def test_draws_share_no_memory():
    module = create("resnet_tiny", 4)
    one, two = (jax.tree.leaves(initialization.draw(module, 64, KEY)) for _ in range(2))
    assert all(isinstance(leaf, jax.Array) for leaf in one)
    pointers = [leaf.unsafe_buffer_pointer() for leaf in (*one, *two)]
    assert len(set(pointers)) == len(pointers)


def test_a_size_that_the_network_cannot_take():
    with pytest.raises(UserError, match="images of 63x63 pixels cannot be cut"):
        initialization.shapes(create("deit_tiny_patch16_224", 4), 63)


class Fitted(nn.Module):
    """Starts at its first input's mean."""

    input_spec = InputSpec((0.0,) * 3, (1.0,) * 3, 32)

    @nn.compact
    def __call__(self, x, *, train):
        return x - self.param("mean", lambda key: initializers.zeros(key, ()) + x.mean())


def test_variables_that_depend_on_the_image_are_refused():
    with pytest.raises(TypeError, match="Fitted: its variables depend on the image"):
        initialization.draw(Fitted(), 32, KEY)
