import numpy as np
import tensorflow as tf

from jdnet_jax.data import random_erasing
from jdnet_jax.data.random_erasing import AREA, RATIO, erase

KEY = tf.constant([2, 9], tf.int64)
IMAGE = np.full((60, 80, 3), -1.0, np.float32)  # no noise value is negative


def erased(count, probability):
    keys = tf.data.Dataset.range(count).map(lambda i: erase(tf.constant(IMAGE), KEY + i, probability))
    return np.stack(list(keys.as_numpy_iterator()))


def test_the_rectangle_keeps_to_its_area_and_ratio_and_the_rest_is_untouched():
    areas, ratios, tops = [], [], []
    for image in erased(200, 1.0):
        inside = (image >= 0).all(-1)
        np.testing.assert_array_equal(inside, (image >= 0).any(-1))
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert inside.sum() == height * width  # one whole rectangle
        areas.append(height * width / inside.size)
        ratios.append(height / width)
        tops.append(rows[0])
    assert 0.9 * AREA[0] < min(areas) < 0.05
    assert 0.28 < max(areas) < 1.03 * AREA[1]
    assert min(ratios) > 0.85 * RATIO[0]
    assert max(ratios) < 1.15 * RATIO[1]
    assert min(ratios) < 0.5
    assert max(ratios) > 2.0
    assert min(tops) < 5


def test_noise_fills_the_range():
    image = erased(1, 1.0)[0]
    noise = image[image >= 0]
    assert noise.min() < 10
    assert noise.max() > 245
    assert 110 < noise.mean() < 145


def test_probability_and_key_decide():
    assert np.array_equal(erased(20, 0.0), [IMAGE] * 20)
    share = np.mean([(image >= 0).any() for image in erased(300, 0.3)])
    assert 0.22 < share < 0.38  # standard deviation 0.026
    np.testing.assert_array_equal(erased(3, 1.0), erased(3, 1.0))


def test_a_view_that_no_rectangle_fits_is_left_alone(monkeypatch):
    monkeypatch.setattr(random_erasing, "AREA", (0.99, 1.0))
    assert np.array_equal(erased(5, 1.0), [IMAGE] * 5)
