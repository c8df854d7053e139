import jax
import jax.numpy as jnp
import numpy as np

from tests import tiny_recipe as tiny


def test_groups_are_the_trained_networks_and_the_adapters():
    recipe = tiny.Recipe(tiny.config())
    assert tuple(recipe.optimizers) == ("student", "teacher", "adapters")
    assert set(recipe.state.params) == {"student", "teacher", "adapters"}
    assert set(recipe.state.params["adapters"]["mskd_teacher"]) == {"stage0", "stage1", "stage2"}


def test_every_leaf_is_a_float32_array_or_a_counter():
    recipe = tiny.Recipe(tiny.config(ema_decay=0.9))
    for leaf in jax.tree.leaves(recipe.state):
        assert isinstance(leaf, jax.Array)
    assert {leaf.dtype for leaf in jax.tree.leaves((recipe.state.params, recipe.state.ema))} == {np.dtype("float32")}
    assert recipe.state.step.dtype == jnp.int32
