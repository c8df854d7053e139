import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.learning import state
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


TREE = {"params": {"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 2), np.float32)}, "batch_stats": {}}


def test_sha256_depends_on_every_bit_and_not_on_the_order_of_keys():
    digest = state.sha256(TREE)
    reordered = {"batch_stats": {}, "params": {"a": TREE["params"]["a"], "b": jnp.arange(3.0)}}
    assert state.sha256(reordered) == digest
    changed = {"params": {**TREE["params"], "b": np.array([0, 1, np.nextafter(np.float32(2), 3)], np.float32)}}
    assert state.sha256({**TREE, **changed}) != digest
    renamed = {"params": {"c": TREE["params"]["b"], "a": TREE["params"]["a"]}, "batch_stats": {}}
    assert state.sha256(renamed) != digest
    reshaped = {"params": {**TREE["params"], "a": np.ones(4, np.float32)}, "batch_stats": {}}
    assert state.sha256(reshaped) != digest
