import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.checkpoint import Checkpoints
from jdnet_jax.errors import UserError
from jdnet_jax.state import TrainState


def state_at(step: int) -> TrainState:
    return TrainState(
        step=jnp.int32(step),
        rng=jax.random.key_data(jax.random.key(0)),
        params={"student": {"kernel": jnp.full((2, 3), float(step))}},
        batch_stats={"student": {}},
        opt_state={},
        ema={},
    )


def saved(folder, accuracies, keep=1):
    checkpoints = Checkpoints(folder, keep)
    for step, accuracy in accuracies.items():
        checkpoints.save(state_at(step), accuracy)
    checkpoints.wait()
    return checkpoints


def test_the_newest_and_the_best_are_kept_and_known_again_by_another_process(tmp_path):
    first = saved(tmp_path, {1: 0.2, 2: 0.9, 3: 0.4, 4: 0.5, 5: None})
    assert (first.latest_step(), first.best_step()) == (5, 2)
    first.close()
    second = Checkpoints(tmp_path, 1)
    assert (second.latest_step(), second.best_step()) == (5, 2)
    second.save(state_at(6), 0.6)
    second.wait()
    assert (second.latest_step(), second.best_step()) == (6, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "6"}
    second.close()


def test_of_equals_the_later_is_the_best(tmp_path):
    checkpoints = saved(tmp_path, {1: 0.5, 2: 0.5}, keep=2)
    assert checkpoints.best_step() == 2
    checkpoints.close()


def test_round_trip_is_exact(tmp_path):
    checkpoints = saved(tmp_path, {3: 0.1})
    restored = checkpoints.restore(3, state_at(0))
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(state_at(3)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    checkpoints.close()


def test_a_checkpoint_of_other_shapes_is_named(tmp_path):
    checkpoints = saved(tmp_path, {3: 0.1})
    other = dataclasses.replace(state_at(0), params={"student": {"weight": jnp.zeros(4)}})
    with pytest.raises(UserError, match=r"checkpoint .*3 cannot be restored"):
        checkpoints.restore(3, other)
    assert checkpoints.last_good() == f"the last good checkpoint is {tmp_path / '3'}"
    checkpoints.close()
