import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.figures import intervals

TRUTH = 0.3


def test_wilson_by_hand():
    # Of p = k / n, z = 1.96: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    z, p, n = 1.959964, 0.75, 40
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + (z / (2 * n)) ** 2) ** 0.5
    expected = [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]
    assert list(intervals.wilson(30, 40)) == pytest.approx(expected, abs=1e-6)
    assert list(intervals.wilson(16, 16)) == pytest.approx([1 / (1 + z**2 / 16), 1.0], abs=1e-6)
    assert list(intervals.wilson(0, 16)) == pytest.approx([0.0, 1 - 1 / (1 + z**2 / 16)], abs=1e-6)


@pytest.mark.parametrize(
    ("hits", "count", "words"),
    [
        (16, 16, "100 % of 16 (81 to 100)"),
        (0, 1, "0 % of 1 (0 to 79)"),
        (15, 16, "93.8 % of 16 (72 to 99)"),
        (998, 999, "99.9 % of 999 (99.4 to 100.0)"),  # whole points would hide that it is an interval
        (500, 999, "50.1 % of 999 (47 to 53)"),
        (1000, 1000, "100.00 % of 1,000"),
        (10101, 12621, "80.03 % of 12,621"),
    ],
)
def test_a_share_in_words(hits, count, words):
    assert intervals.share(hits / count, count) == words


def test_the_t_interval_by_hand():
    low, high = intervals.over_seeds(np.array([1.0, 2.0, 4.0]))
    half = 4.302653 * (42 / 9 / 2 / 3) ** 0.5  # of two degrees of freedom
    assert (low, high) == pytest.approx((7 / 3 - half, 7 / 3 + half), abs=1e-5)
    assert intervals.over_seeds(np.full(3, 0.25)) == (0.25, 0.25)
    assert intervals.over_seeds(np.array([0.1, 0.2])) is None


def test_the_joined_interval_by_hand():
    # Three seeds and two photos: effects of the seeds, of the photos, and the rest.
    of_seed, of_photo = np.array([[-2.0], [-1.0], [3.0]]), np.array([[-(1.5**0.5), 1.5**0.5]])
    table = 3 + of_seed + of_photo + np.array([[0, 0], [1, -1], [-1, 1]])
    # MS_seed = 2 x (4 + 1 + 9) / 2 = 14, MS_photo = 3 x (1.5 + 1.5) / 1 = 9, MS_rest = 4 / 2 = 2: 14 + 7 = 21 in all,
    # and 2 x 21 / 14 = 3 degrees of freedom, with the quantile 3.182446 of Student's t.
    half = 3.182446 * (21 / 6) ** 0.5
    assert intervals.joined(table) == pytest.approx((3 - half, 3 + half), abs=1e-5)


@given(st.integers(3, 6), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_the_joined_interval_goes_from_one_of_the_others_to_the_other(seeds, photos, seed):
    rng = np.random.default_rng(seed)
    of_seed, of_photo = rng.normal(size=(seeds, 1)), rng.normal(size=(1, photos))
    assert intervals.joined(of_seed.repeat(photos, 1)) == pytest.approx(intervals.over_seeds(of_seed[:, 0]))
    half = 1.959964 * of_photo.std(ddof=1) / photos**0.5
    expected = (of_photo.mean() - half, of_photo.mean() + half)
    assert intervals.joined(of_photo.repeat(seeds, 0)) == pytest.approx(expected, abs=1e-5)


def test_where_nothing_differs_the_joined_interval_is_a_point():
    assert intervals.joined(np.full((3, 4), 0.5)) == (0.5, 0.5)


def test_too_few_seeds_or_photos_have_no_interval():
    assert intervals.joined(np.ones((2, 50))) is None
    assert intervals.joined(np.ones((3, 1))) is None
    assert intervals.over_photos(np.ones(1)) is None


def test_the_interval_over_many_photos_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(0.3, 2.0, 400)
    low, high = intervals.over_photos(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert intervals.over_photos(values) == (low, high)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    ("of_seed", "of_photo"),
    [(1.0, 0.0), (0.0, 1.0), (0.1, 1.0), (0.2, 1.0), (0.0, 0.0)],
    ids=["seeds", "photos", "both", "both, more seeds", "neither"],
)
def test_95_percent_are_95_percent(seeds, of_seed, of_photo):
    """Drawn from the model with these deviations and a rest of 1, 2000 times: the standard error is 0.5 points."""
    rng = np.random.default_rng(seeds)
    trials, photos = 2000, 60
    of_photos = of_photo * rng.normal(size=(trials, 1, photos))
    table = TRUTH + of_seed * rng.normal(size=(trials, seeds, 1)) + of_photos + rng.normal(size=(trials, seeds, photos))
    joined = [_holds(intervals.joined(one), TRUTH) for one in table]
    assert np.mean(joined) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_95_percent_are_95_percent_over_seeds(seeds):
    rng = np.random.default_rng(seeds)
    of_photos = rng.normal(size=(2000, 1, 1)) / 10  # what the photos of test have in common
    means = (TRUTH + of_photos + rng.normal(size=(2000, seeds, 1)) / 10)[..., 0]
    found = [intervals.over_seeds(one) for one in means]
    truths = TRUTH + of_photos[:, 0, 0]
    assert np.mean([_holds(one, truth) for one, truth in zip(found, truths, strict=True)]) == pytest.approx(
        0.95, abs=0.02
    )
    assert np.mean([_holds(one, TRUTH) for one in found]) < 0.9  # it tells of these photos, and not of others


def test_95_percent_are_95_percent_of_hits():
    """Of right and wrong answers, in place of normal values: both ways, seeds and photos have probit effects."""
    from scipy import special

    rng = np.random.default_rng(0)
    trials, seeds, photos, deviations = 2000, 5, 150, (1.0, 0.3, 0.1, 0.7)  # of photo, photo by way, seed, the rest
    photo, own, seed, rest = deviations
    common = photo * rng.normal(size=(trials, 1, photos))

    def hits(level):
        effects = own * rng.normal(size=(trials, 1, photos)) + seed * rng.normal(size=(trials, seeds, 1))
        return level + common + effects + rest * rng.normal(size=(trials, seeds, photos)) > 0

    spread = np.sum(np.square(deviations)) ** 0.5
    truth = special.ndtr(1.0 / spread) - special.ndtr(0.8 / spread)
    table = hits(1.0).astype(np.float64) - hits(0.8)
    assert np.mean([_holds(intervals.joined(one), truth) for one in table]) == pytest.approx(0.95, abs=0.02)


def _holds(interval, truth):
    return interval.low <= truth <= interval.high


def test_the_examples_of_the_module():
    assert doctest.testmod(intervals).failed == 0
