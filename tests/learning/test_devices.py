import jax
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from jdnet_jax.config import recipes
from jdnet_jax.learning.devices import DATA_AXIS
from tests import tiny_recipe as tiny

COUNT = 2


def by_shard_map(step):
    """What `devices.mapped` would be without `jax.pmap`, which JAX keeps in maintenance alone."""
    mesh = Mesh(np.asarray(jax.devices()[:COUNT]), (DATA_AXIS,))
    split, whole = PartitionSpec(DATA_AXIS), PartitionSpec()

    def one_device(state, batch):
        return step(state, jax.tree.map(lambda share: share[0], batch))

    # check_vma: outputs are the same on all devices, as with pmap's out_axes=None, but not by what JAX can prove.
    return jax.jit(jax.shard_map(one_device, mesh=mesh, in_specs=(whole, split), out_specs=whole, check_vma=False))


@pytest.mark.slow
def test_the_train_step_under_shard_map_has_the_bits_of_the_pmapped_one():
    """Of the student alone: the terms of two networks are sums of each device's photos, as its own is."""
    config = tiny.config(sync_batch_norm=True, ema_decay=0.9, grad_accum=2)
    config.student.options.drop_rate = 0.5
    recipe = tiny.Recipe(recipes.apply_recipe(config, "ce"))
    states = []
    for train in (tiny.mapped(recipe.step(), COUNT), by_shard_map(recipe.step())):
        state = recipe.state
        for number in range(2):
            state, metrics = train(state, tiny.cut(tiny.batch(seed=number), COUNT, grad_accum=2))
        states.append(jax.device_get((state, metrics)))
    jax.tree.map(np.testing.assert_array_equal, *states)
    moved = jax.tree.leaves(jax.tree.map(lambda a, b: np.any(a != b), states[0][0].params, recipe.state.params))
    assert all(moved)
