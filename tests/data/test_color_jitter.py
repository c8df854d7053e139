import colorsys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from jdnet_jax.data.color_jitter import change_colors, color_jitter
from tests.data.tiny import NO_JITTER, smooth_photo

LUMA = np.array([0.299, 0.587, 0.114])


def test_strengths_of_0_change_nothing():
    image = tf.constant(smooth_photo(1, 6, 6), tf.float32)
    unchanged = color_jitter(image, tf.constant([5, 3], tf.int64), **NO_JITTER)
    np.testing.assert_allclose(unchanged, image, atol=1e-3)


def test_color_changes_one_at_a_time():
    """Against the definitions, written out for a photo of two pixels."""
    pixels = np.array([[[200.0, 100.0, 50.0], [20.0, 40.0, 240.0]]])
    grey = pixels @ LUMA

    def change(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0):
        factors = tf.unstack(tf.constant([brightness, contrast, saturation, hue]))
        return change_colors(tf.constant(pixels, tf.float32), *factors).numpy()

    np.testing.assert_allclose(change(brightness=0.5), pixels / 2, rtol=1e-5)
    np.testing.assert_allclose(change(contrast=0.25), grey.mean() + 0.25 * (pixels - grey.mean()), rtol=1e-5)
    np.testing.assert_allclose(change(saturation=0.0), grey[..., None].repeat(3, -1), rtol=1e-5)
    np.testing.assert_allclose(change(hue=1 / 3), np.roll(pixels, 1, -1), rtol=1e-4)  # red to green to blue


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.floats(-0.5, 0.5), st.integers(0, 2**31 - 1))
def test_color_changes_compose_in_order(brightness, contrast, saturation, hue, seed):
    """One matrix and one offset do what the four changes do one after the other."""
    image = tf.constant(np.random.default_rng(seed).uniform(0, 255, (3, 4, 3)), tf.float32)
    expected = image
    for factors in ((brightness, 1, 1, 0), (1, contrast, 1, 0), (1, 1, saturation, 0), (1, 1, 1, hue)):
        expected = change_colors(expected, *(tf.constant(factor, tf.float32) for factor in factors))
    factors = (tf.constant(factor, tf.float32) for factor in (brightness, contrast, saturation, hue))
    np.testing.assert_allclose(change_colors(image, *factors), expected, rtol=1e-4, atol=1e-2)


@given(st.floats(0, 255), st.floats(-0.5, 0.5))
@settings(deadline=None, max_examples=20)
def test_greys_have_no_hue_to_change(value, hue):
    grey = tf.fill([2, 2, 3], tf.constant(value, tf.float32))
    one = tf.constant(1.0)
    changed = change_colors(grey, one, one, tf.constant(0.3), tf.constant(hue, tf.float32))
    np.testing.assert_allclose(changed, grey, rtol=1e-4, atol=1e-4)


def test_hue_turns_as_the_colour_wheel_does():
    """Agrees in direction and size with HSV: an eighth of a turn of a soft colour moves its HSV hue by an eighth."""
    color = np.array([0.6, 0.5, 0.5])
    one = tf.constant(1.0)
    turned = change_colors(tf.constant(color[None, None], tf.float32), one, one, one, tf.constant(0.125))
    assert colorsys.rgb_to_hsv(*turned.numpy()[0, 0])[0] == pytest.approx(0.125, abs=0.02)
