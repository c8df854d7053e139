import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import optimizers


def settings(part, **changes):
    return {**config_lib.default()[part].to_dict(), **changes}


def test_cosine_with_warmup():
    rate = optimizers.learning_rate(settings("schedule", learning_rate=1.0, warmup=0.1, initial=0.04), 100)
    assert [float(rate(step)) for step in (0, 5, 10, 55, 100)] == pytest.approx([0.04, 0.52, 1.0, 0.5, 0.0], abs=1e-6)


def test_step_boundaries_are_shares_of_the_whole_run():
    schedule = settings("schedule", name="step", learning_rate=1.0, warmup=0.1, boundaries=(0.5, 0.75), decay=0.1)
    rate = optimizers.learning_rate(schedule, 100)
    assert [float(rate(step)) for step in (10, 49, 51, 74, 76)] == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])


def test_constant_without_warmup():
    rate = optimizers.learning_rate(settings("schedule", name="constant", learning_rate=0.3, warmup=0.0), 10)
    assert float(rate(0)) == pytest.approx(0.3)


PARAMS = {"conv": {"kernel": jnp.array([2.0])}, "bn": {"scale": jnp.array([2.0]), "bias": jnp.array([2.0])}}
ZEROS = {"conv": {"kernel": jnp.zeros(1)}, "bn": {"scale": jnp.zeros(1), "bias": jnp.zeros(1)}}


def updated(gradients, **optimizer):
    schedule = settings("schedule", name="constant", learning_rate=0.1, warmup=0.0)
    tx = optimizers.build(settings("optimizer", **optimizer), schedule, 10)
    updates, _ = tx.update(gradients, tx.init(PARAMS), PARAMS)
    return optax.apply_updates(PARAMS, updates)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_only_kernels_decay(name):
    new = updated(ZEROS, name=name, weight_decay=0.5, nesterov=False)
    # Both take 0.1 * 0.5 * 2 off the kernel when there is no gradient.
    np.testing.assert_allclose(new["conv"]["kernel"], [1.9], rtol=1e-6)
    np.testing.assert_array_equal(new["bn"]["scale"], [2.0])
    np.testing.assert_array_equal(new["bn"]["bias"], [2.0])


def test_clipping_is_of_the_whole_group():
    gradients = {"conv": {"kernel": jnp.array([30.0])}, "bn": {"scale": jnp.array([40.0]), "bias": jnp.array([0.0])}}
    new = updated(gradients, name="sgd", weight_decay=0.0, clip_norm=1.0, momentum=0.0, nesterov=False)
    # The norm is 50, so the step is 0.1 * (0.6, 0.8).
    np.testing.assert_allclose(new["conv"]["kernel"], [2 - 0.06], rtol=1e-6)
    np.testing.assert_allclose(new["bn"]["scale"], [2 - 0.08], rtol=1e-6)


def test_a_head_has_a_rate_of_its_own_and_is_clipped_with_the_body():
    params = {"conv": {"kernel": jnp.array([2.0])}, "fc": {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])}}
    gradients = {"conv": {"kernel": jnp.array([30.0])}, "fc": {"kernel": jnp.array([0.0]), "bias": jnp.array([40.0])}}
    sgd = settings("optimizer", name="sgd", weight_decay=0.0, clip_norm=1.0, momentum=0.0, nesterov=False)
    body = {"optimizer": sgd, "schedule": settings("schedule", name="constant", learning_rate=0.1, warmup=0.0)}
    head = {
        "optimizer": {**sgd, "weight_decay": 0.5},
        "schedule": settings("schedule", name="step", learning_rate=1.0, warmup=0.0, boundaries=(0.5,), decay=0.1),
    }
    tx = optimizers.build_apart(body, head, {("fc", "kernel"), ("fc", "bias")}, 10)
    state = tx.init(params)
    updates, moved = tx.update(gradients, state, params, step=0)
    # The norm is 50; decay of the head's kernel takes 1.0 * 0.5 * 2 off.
    np.testing.assert_allclose(updates["conv"]["kernel"], [-0.06], rtol=1e-6)
    np.testing.assert_allclose(updates["fc"]["kernel"], [-1.0], rtol=1e-6)
    np.testing.assert_allclose(updates["fc"]["bias"], [-0.8], rtol=1e-6)
    assert jax.tree.structure(moved) == jax.tree.structure(state)
    # Both schedules follow the run: at its step 7 the head's rate has fallen, the body's has not.
    later, _ = tx.update(gradients, optimizers.at_step(moved, jnp.int32(7)), params, step=7)
    np.testing.assert_allclose(later["conv"]["kernel"], [-0.06], rtol=1e-6)
    np.testing.assert_allclose(later["fc"]["bias"], [-0.08], rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_head_of_the_same_settings_changes_nothing(name):
    own = {"optimizer": settings("optimizer", name=name, clip_norm=1.0), "schedule": settings("schedule")}
    gradients = jax.tree.map(lambda leaf: leaf + 1, PARAMS)
    whole, apart = optimizers.build(**own, steps=10), optimizers.build_apart(own, own, {("conv", "kernel")}, 10)
    expected, found = (tx.update(gradients, tx.init(PARAMS), PARAMS)[0] for tx in (whole, apart))
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_schedule_is_put_at_a_step_of_the_run_and_adam_goes_on_counting_its_updates():
    schedule = settings("schedule", name="step", learning_rate=0.1, warmup=0.0, boundaries=(0.5,), decay=0.1)
    tx = optimizers.build(settings("optimizer", name="adamw", weight_decay=0.0, clip_norm=1.0), schedule, 10)
    before = tx.init(PARAMS)
    moved = optimizers.at_step(before, jnp.int32(7))
    counts = {path[-1].tuple_name: int(count) for path, count in optax.tree.get_all_with_path(moved, "count")}
    assert counts == {"ScaleByAdamState": 0, "ScaleByScheduleState": 7}
    # Adam's first update is the sign of the gradient times the learning rate, which is 0.01 behind the boundary.
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    for start, rate in ((before, 0.1), (moved, 0.01)):
        updates, _ = tx.update(ones, start, PARAMS)
        np.testing.assert_allclose(updates["conv"]["kernel"], [-rate], rtol=1e-5)


def test_in_turns_nothing_moves_in_the_other_steps_and_the_schedule_follows_the_run():
    """The rate falls by a hundredth a step: an update in step 2 has that of step 2, with the momentum of step 0."""
    schedule = settings("schedule", name="cosine", learning_rate=1.0, warmup=1.0 - 1e-9, initial=0.0)
    tx = optimizers.build(settings("optimizer", name="sgd", nesterov=False, weight_decay=0.0), schedule, 100)
    tx = optimizers.in_turns(tx, lambda step: step % 2 == 0)
    params, state, moved = jnp.array([1.0]), tx.init(jnp.array([1.0])), []
    for step in range(4):
        state = optimizers.at_step(state, jnp.int32(step))
        before = state
        updates, state = tx.update(jnp.array([1.0]), state, params, step=jnp.int32(step))
        moved.append(float(updates[0]))
        if step % 2:
            for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
                np.testing.assert_array_equal(a, b)
    # Momentum: 1, then 0.9 * 1 + 1 in the second update.
    assert moved == pytest.approx([0.0, 0.0, -0.02 * 1.9, 0.0], rel=1e-5)
