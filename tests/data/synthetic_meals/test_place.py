import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals.place import Place, scatter


def test_projection_of_a_slanted_camera():
    place = Place(10, 20, 5, squash=0.8)
    assert place.lift == pytest.approx(0.6)
    x, y = place.project(np.array([1.0]), np.array([2.0]), np.array([3.0]))
    assert x[0] == pytest.approx(11)
    assert y[0] == pytest.approx(20 + 2 * 0.8 - 3 * 0.6)
    straight = Place(10, 20, 5, squash=1.0)
    assert straight.project(np.array([1.0]), np.array([2.0]), np.array([3.0]))[1][0] == pytest.approx(22)


def test_moving_stays_on_the_ground():
    moved = Place(10, 20, 5, squash=0.8, floor=2.0).moved(3, 5, 1)
    assert (moved.x, moved.y, moved.radius, moved.floor) == (13, 24, 1, 2.0)


def test_scatter_is_even_within_its_radius():
    x, y = scatter(np.random.default_rng(0), 500, 10.0, spread=0.0)
    distance = np.hypot(x, y)
    assert distance.max() <= 10
    # Even by area: half of the points lie within radius / sqrt(2).
    assert np.mean(distance < 10 / np.sqrt(2)) == pytest.approx(0.5, abs=0.01)
    assert abs(x.mean()) < 0.5
    assert abs(y.mean()) < 0.5
