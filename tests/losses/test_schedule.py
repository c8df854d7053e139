import jax.numpy as jnp
import pytest

from jdnet_jax.losses.schedule import weight_schedule


def test_constant():
    weight = weight_schedule(0.7, "constant", 0.5, 100)
    assert weight(jnp.int32(0)) == pytest.approx(0.7)
    assert weight(jnp.int32(99)) == pytest.approx(0.7)


def test_linear_reaches_the_weight_at_the_end_of_its_warmup_and_stays():
    weight = weight_schedule(2.0, "linear", 0.5, 100)
    values = [float(weight(jnp.int32(step))) for step in (0, 25, 50, 99)]
    assert values == pytest.approx([0.0, 1.0, 2.0, 2.0])


def test_unknown_name():
    with pytest.raises(ValueError, match="unknown weight schedule 'cubic'; known: constant, linear"):
        weight_schedule(1.0, "cubic", 0.5, 100)
