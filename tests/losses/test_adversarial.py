import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.losses import adversarial
from jdnet_jax.losses.adversarial import Adversarial, Discriminator
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.outputs import Outputs

IS_TEACHER = jnp.array([False, True])
LABELS = jnp.zeros(2, jnp.int32)


def test_the_loss_by_hand():
    # Logits log 3 have the sigmoid 3/4: for [1, 0] that costs log(4/3) on the first and log 4 on the second.
    logits = jnp.full((2, 2), np.log(3), jnp.float32)
    expected = (np.log(4 / 3) + np.log(4)) / 2
    np.testing.assert_allclose(adversarial.discriminator_loss(logits, IS_TEACHER), expected, rtol=1e-6)


def test_zero_logits_give_log_2_and_count_one_half():
    zeros = jnp.zeros((2, 2))
    np.testing.assert_allclose(adversarial.discriminator_loss(zeros, IS_TEACHER), 0.6931, atol=5e-5)
    assert adversarial.discriminator_accuracy(zeros, IS_TEACHER) == 0.5


def test_the_last_relu_has_a_floor_of_half_of_log_2_and_without_it_there_is_none():
    best = 50.0 * jnp.array([[1.0, -1.0], [-1.0, 1.0]])
    np.testing.assert_allclose(adversarial.discriminator_loss(jax.nn.relu(best), IS_TEACHER), 0.3466, atol=5e-5)
    assert adversarial.discriminator_loss(best, IS_TEACHER) < 1e-20
    assert adversarial.discriminator_accuracy(best, IS_TEACHER) == 1.0
    assert adversarial.discriminator_accuracy(-best, IS_TEACHER) == 0.0


@pytest.mark.parametrize("final_relu", [False, True])
def test_the_last_layer_can_be_negative_unless_it_is_faithful(final_relu):
    network, z = Discriminator(final_relu=final_relu), jax.random.normal(jax.random.key(0), (64, 8))
    out, _ = jax.jit(network.init_with_output)(jax.random.key(1), z)
    assert (float(out.min()) < 0) == (not final_relu)


@pytest.mark.parametrize(
    ("length", "divisors", "widths"), [(100, (2, 4), (50, 25)), (1000, (8, 64), (125, 15)), (3, (2, 4), (1, 1))]
)
def test_widths(length, divisors, widths):
    shapes = jax.eval_shape(Discriminator(divisors).init, jax.random.key(0), jnp.zeros((1, length)))["params"]
    found = [shapes[name]["kernel"].shape for name in ("hidden0", "hidden1", "out")]
    assert found == [(length, widths[0]), widths, (widths[1], 2)]


def outputs(key):
    a, b = jax.random.split(jax.random.key(key))
    return Outputs(logits=jax.random.normal(a, (2, 6)), stages=(jax.random.normal(b, (2, 2, 2, 3)),))


def test_each_block_with_a_weight_has_a_discriminator_and_they_are_summed():
    student, teacher, reader = outputs(0), outputs(1), BlockReader((4,))

    def term(etas):
        return Adversarial(reader, reader, etas)

    init = functools.partial(term((1.0, 1.0)).init, train=False)
    variables = jax.jit(init)(jax.random.key(2), student, teacher, LABELS)
    assert set(variables["params"]) == {"block0", "block1"}

    def value(etas):
        own = {f"block{i}": variables["params"][f"block{i}"] for i, eta in enumerate(etas) if eta}
        run = functools.partial(term(etas).apply, train=True, mutable=["figures"])
        return jax.jit(run)({"params": own}, student, teacher, LABELS)

    (both, figures), (first, one), (second, other) = value((2.0, 3.0)), value((2.0, 0.0)), value((0.0, 3.0))
    np.testing.assert_allclose(both, first + second, rtol=1e-6)
    accuracies = [of["figures"]["accuracy"] for of in (one, other)]
    np.testing.assert_allclose(figures["figures"]["accuracy"], np.mean(accuracies), rtol=1e-6)


def test_turns_change_with_every_step():
    assert [bool(adversarial.discriminators_turn(jnp.int32(step))) for step in range(4)] == [True, False, True, False]
