import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.compare import statistics


def test_mean_and_deviation_by_hand():
    mean, deviation = statistics.mean_and_deviation([1.0, 2.0, 4.0])
    assert mean == pytest.approx(7 / 3)
    assert deviation == pytest.approx((42 / 9 / 2) ** 0.5)  # (16 + 1 + 25) / 9 over n - 1
    assert statistics.mean_and_deviation([0.5]) == (0.5, None)


def test_the_interval_of_many_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(0.3, 2.0, 400)
    low, high = statistics.interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6))
def test_the_interval_lies_among_the_differences(values):
    low, high = statistics.interval(np.array(values))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_it_can_be_had_again_and_needs_two():
    values = np.array([0.1, 0.2, 0.4])
    assert statistics.interval(values) == statistics.interval(values)
    assert statistics.interval(values[:1]) is None
    assert statistics.interval(np.full(3, 0.25)) == (0.25, 0.25)
