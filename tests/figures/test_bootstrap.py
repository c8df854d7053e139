import numpy as np
import pytest

from jdnet_jax.figures import bootstrap, intervals
from jdnet_jax.figures.intervals import Interval


def test_the_figures_of_each_drawing_are_those_of_its_photos():
    label, given = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    found = bootstrap.figures(label, {"clean": given}, 3, 20, seed=5)["clean"]
    rng = np.random.default_rng(5)
    for top1, macro_f1 in zip(*found, strict=True):
        drawn = rng.integers(4, size=4)
        y, p = label[drawn], given[drawn]
        assert top1 == pytest.approx(np.mean(y == p))
        f1 = [2 * np.sum((y == c) & (p == c)) / (np.sum(y == c) + np.sum(p == c)) for c in np.union1d(y, p)]
        assert macro_f1 == pytest.approx(np.mean(f1))


def test_the_interval_of_a_share_is_the_binomial_one():
    label = np.zeros(400, int)
    given = (np.arange(400) % 4 == 0).astype(int)  # 75 % are right
    low, high = intervals.percentiles(bootstrap.figures(label, {"a": given}, 2, 2000, seed=0)["a"].top1)
    deviation = np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - 1.96 * deviation, abs=0.006)
    assert high == pytest.approx(0.75 + 1.96 * deviation, abs=0.006)


def test_conditions_are_paired():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 50)
    given = rng.integers(0, 3, 50)
    found = bootstrap.figures(label, {"clean": given, "again": given.copy()}, 3, 50, seed=1)
    for one, other in zip(found["clean"], found["again"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert intervals.percentiles(found["clean"].top1 - found["again"].top1) == Interval(0.0, 0.0)


def test_macro_f1_of_some_classes_and_no_drawings():
    label, given = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = bootstrap.figures(label, {"a": given}, 3, 200, seed=0, averaged=[1])["a"].macro_f1
    # All that is of class 1 is found, and nothing else is called so; a drawing without it has no F1, and counts 0.
    assert set(found.tolist()) <= {0.0, 1.0}
    assert np.mean(found) > 0.8
    assert len(bootstrap.figures(label, {"a": given}, 3, 0, seed=0)["a"].top1) == 0
