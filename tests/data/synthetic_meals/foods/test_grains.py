import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.foods.grains import capsules
from jdnet_jax.data.synthetic_meals.place import Place


def test_a_lying_capsule_has_the_area_and_the_height_of_a_rod_with_round_ends():
    canvas = Canvas(96)
    middle = (np.zeros(1), np.zeros(1), np.zeros(1))
    hits = capsules(canvas, Place(48, 48, 10, 1.0), middle, np.array([0.3]), 8.0, 3.0)
    area = hits.pixel.size / 4  # samples a square unit
    assert area == pytest.approx(2 * 5 * 6 + np.pi * 9, rel=0.03)
    assert hits.height.max() == pytest.approx(1 + 3, abs=0.02)  # on a floor at 1
    flat = capsules(canvas, Place(48, 48, 10, 1.0), middle, np.array([0.3]), 8.0, 3.0, flat=0.5)
    assert flat.height.max() == pytest.approx(1 + 1.5, abs=0.02)


def test_capsules_run_along_their_angle():
    canvas = Canvas(96)
    ground = (np.zeros(1), np.zeros(1), np.zeros(1))
    hits = capsules(canvas, Place(48, 48, 10, 1.0), ground, np.array([np.pi / 2]), 9.0, 1.0)
    rows, columns = hits.pixel // 192, hits.pixel % 192
    assert np.ptp(rows) + 1 == pytest.approx(36, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(4, abs=1)
