"""RandAugment's operations against Pillow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from jdnet_jax.data import rand_augment as ra
from tests.data.tiny import smooth_photo

KEY = tf.constant([11, 4], tf.int64)
STRENGTHS = (-1.0, -0.3, 0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def photo():
    """Neither range is full, so that stretching has something to do."""
    rng = np.random.default_rng(0)
    image = smooth_photo(3, 40, 56).astype(int) // 2 + 30 + rng.integers(-10, 11, (40, 56, 3))
    return image.clip(0, 255).astype(np.uint8)


def apply(operation, photo, signed):
    return operation(tf.constant(photo, tf.float32), tf.constant(signed)).numpy()


ENHANCEMENTS = {
    ra.brightness: ImageEnhance.Brightness,
    ra.color: ImageEnhance.Color,
    ra.contrast: ImageEnhance.Contrast,
    ra.sharpness: ImageEnhance.Sharpness,
}


@pytest.mark.parametrize("operation", ENHANCEMENTS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("signed", STRENGTHS)
def test_enhancements_are_pillows(operation, signed, photo):
    expected = np.asarray(ENHANCEMENTS[operation](Image.fromarray(photo)).enhance(1.0 + 0.9 * signed), float)
    np.testing.assert_allclose(apply(operation, photo, signed), expected, atol=2.1)  # Pillow cuts off in between


@pytest.mark.parametrize("signed", STRENGTHS)
def test_tables_are_pillows(signed, photo):
    image = Image.fromarray(photo)
    bits = 8 - round(4 * abs(signed))
    np.testing.assert_array_equal(apply(ra.posterize, photo, signed), ImageOps.posterize(image, bits))
    threshold = 255.0 * (1.0 - abs(signed))
    np.testing.assert_array_equal(apply(ra.solarize, photo, signed), ImageOps.solarize(image, threshold))


@pytest.mark.parametrize(
    ("operation", "pillow"), [(ra.equalize, ImageOps.equalize), (ra.autocontrast, ImageOps.autocontrast)]
)
def test_stretching_is_pillows(operation, pillow, photo):
    np.testing.assert_allclose(apply(operation, photo, 1.0), pillow(Image.fromarray(photo)), atol=1.0)
    flat = np.full((4, 4, 3), 77, np.uint8)
    np.testing.assert_array_equal(apply(operation, flat, 1.0), flat)


def test_geometry_is_pillows(photo):
    height, width = photo.shape[:2]
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2

    def pillow(a, b, c, d, e, f):
        # Pillow counts from the corners of pixels, the operations from their centres.
        shifted = (a, b, c + 0.5 * (1 - a - b), d, e, f + 0.5 * (1 - d - e))
        image = Image.fromarray(photo).transform(
            (width, height), Image.Transform.AFFINE, shifted, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128)
        )
        return np.asarray(image, float)

    angle = np.radians(30 * 0.5)
    cosine, sine = np.cos(angle), np.sin(angle)
    expected = {
        ra.shear_x: (1, 0.15, -0.15 * centre_y, 0, 1, 0),
        ra.shear_y: (1, 0, 0, 0.15, 1, -0.15 * centre_x),
        ra.translate_x: (1, 0, -150 / 331 * 0.5 * width, 0, 1, 0),
        ra.translate_y: (1, 0, 0, 0, 1, -150 / 331 * 0.5 * height),
        ra.rotate: (
            *(cosine, -sine, centre_x - cosine * centre_x + sine * centre_y),
            *(sine, cosine, centre_y - sine * centre_x - cosine * centre_y),
        ),
    }
    for operation, coefficients in expected.items():
        difference = np.abs(apply(operation, photo, 0.5) - pillow(*coefficients))
        # At the border between photo and fill the two disagree about who owns a half pixel.
        assert np.quantile(difference, 0.9) < 1.1, operation.__name__


@pytest.mark.parametrize("name", ra.OPERATIONS)
def test_every_operation_keeps_shape_and_range(name, photo):
    for signed in (-1.0, 1.0):
        result = apply(ra.OPERATIONS[name], photo, signed)
        assert result.shape == photo.shape
        assert result.min() >= 0.0
        assert result.max() <= 255.0
    if name not in ("identity", "autocontrast", "equalize"):
        np.testing.assert_allclose(apply(ra.OPERATIONS[name], photo, 0.0), photo, atol=1e-3)
    assert (name == "identity") == np.array_equal(apply(ra.OPERATIONS[name], photo, 1.0), photo)


def test_draws_are_a_function_of_the_key_and_reach_every_operation(photo, monkeypatch):
    image = tf.constant(photo, tf.float32)
    marks = {str(i): (lambda x, s, i=i: tf.zeros_like(x) + float(i) + tf.sign(s) * 0.25) for i in range(14)}
    monkeypatch.setattr(ra, "OPERATIONS", marks)
    draw = lambda i: ra.rand_augment(image, KEY + i, layers=1, magnitude=10.0)[0, 0, 0]  # noqa: E731
    drawn = np.array(list(tf.data.Dataset.range(600).map(draw).as_numpy_iterator()))
    counts = np.bincount(np.round(drawn).astype(int), minlength=14)
    assert len(counts) == 14
    assert counts.min() > 15  # 43 on average, standard deviation 6.3
    assert 0.4 < np.mean(drawn > np.round(drawn)) < 0.6
    again = np.array(list(tf.data.Dataset.range(600).map(draw).as_numpy_iterator()))
    np.testing.assert_array_equal(drawn, again)


def test_layers_follow_each_other(photo, monkeypatch):
    monkeypatch.setattr(ra, "OPERATIONS", {"add": lambda x, s: x + 1.0})
    image = tf.constant(photo, tf.float32)
    np.testing.assert_array_equal(ra.rand_augment(image, KEY, layers=3, magnitude=5.0), photo + 3.0)
