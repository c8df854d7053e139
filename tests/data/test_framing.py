import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from jdnet_jax.data import framing


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((100, 50), 10, (10, 5)), ((30, 40), 224, (168, 224)), ((1, 500), 10, (1, 10)), ((7, 7), 7, (7, 7))],
)
def test_the_longer_side_becomes_the_size(shape, size, expected):
    assert tuple(framing.shape_inside(tf.constant(shape), size).numpy()) == expected


def test_padding_by_hand():
    image = tf.ones([1, 2, 1])
    np.testing.assert_array_equal(
        framing.pad_to_square(image, 4, framing.GREY)[..., 0],
        [[125, 125, 125, 125], [125, 1, 1, 125], [125, 125, 125, 125], [125, 125, 125, 125]],
    )


def test_a_mask_file_is_ones_where_it_is_not_zero():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 1], [7, 255]], np.uint8)).save(file, "PNG")
    mask = framing.decode_mask(tf.constant(file.getvalue()))
    assert mask.dtype == tf.uint8
    np.testing.assert_array_equal(mask[..., 0], [[0, 1], [1, 1]])


def test_a_mask_is_resized_about_the_pixels_that_photos_are():
    """The centre of the left half stays in the left half: nearest and bilinear resizing agree where the edge is."""
    mask = tf.constant(np.repeat([[1, 1, 1, 0, 0, 0]], 2, 0)[..., None], tf.uint8)
    small = framing.resize_mask(mask, tf.constant([2, 2]))
    np.testing.assert_array_equal(small[..., 0], [[1, 0], [1, 0]])
    large = framing.resize_mask(mask, tf.constant([2, 12]))
    np.testing.assert_array_equal(large[0, :, 0], [1] * 6 + [0] * 6)
