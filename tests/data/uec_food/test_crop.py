import numpy as np
import pytest
import tensorflow as tf

from jdnet_jax.data.uec_food.crop import Window, cut, window
from jdnet_jax.data.uec_food.listing import Box
from tests.data.tiny import encode, smooth_photo


@pytest.mark.parametrize(
    ("boxes", "margin", "expected"),
    [
        ([Box(10, 20, 40, 50)], 0.0, Window(20, 10, 30, 30)),
        ([Box(10, 20, 40, 50)], 0.1, Window(17, 7, 36, 36)),
        ([Box(10, 20, 40, 50)], 0.11, Window(16, 6, 38, 38)),  # whole pixels, rounded up
        ([Box(10, 20, 40, 50)], 5.0, Window(0, 0, 60, 80)),
        ([Box(-7, -1, 200, 61)], 0.0, Window(0, 0, 60, 80)),  # exceeds the picture on all sides
        ([Box(70, 50, 90, 70)], 0.0, Window(50, 70, 10, 10)),
        ([Box(70, 50, 90, 70)], 0.5, Window(45, 65, 15, 15)),  # half of what is left after clipping
        ([Box(0, 0, 5, 5), Box(10, 10, 30, 20), Box(50, 0, 70, 10)], 0.0, Window(10, 10, 10, 20)),
        ([Box(75, 0, 900, 60), Box(10, 10, 40, 40)], 0.0, Window(10, 10, 30, 30)),  # the largest once clipped
    ],
)
def test_window(boxes, margin, expected):
    assert window(boxes, margin, height=60, width=80) == expected


@pytest.mark.parametrize("box", [(80, 0, 90, 60), (10, 10, 10, 20), (30, 30, 10, 40), (0, -9, 80, 0)])
def test_boxes_without_area(box):
    assert window([Box(*box)], 1.0, height=60, width=80) is None
    assert window([Box(*box), Box(1, 1, 2, 2)], 0.0, height=60, width=80) == (1, 1, 1, 1)


def test_no_boxes():
    assert window([], 0.0, height=60, width=80) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_cut(kind):
    encoded = encode(smooth_photo(3, 60, 80), kind)
    image = tf.io.decode_image(encoded).numpy()
    result = cut(encoded, Window(top=5, left=50, height=33, width=17))
    assert tf.io.is_jpeg(result)
    difference = tf.io.decode_jpeg(result).numpy().astype(int) - image[5:38, 50:67]
    assert np.abs(difference).max() <= 6


def test_chroma_is_not_subsampled():
    """Red and blue columns by turns, of the same luma, would become one purple."""
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = (130, 40, 40)
    stripes[:, 1::2] = (40, 60, 130)
    encoded = encode(np.pad(stripes, ((0, 8), (0, 8), (0, 0))), "PNG")
    result = tf.io.decode_jpeg(cut(encoded, Window(0, 0, 16, 16))).numpy().astype(int)
    assert np.abs(result - stripes).max() < 20


def test_the_whole_photo_keeps_its_bytes():
    encoded = encode(smooth_photo(3, 60, 80), "JPEG")
    assert cut(encoded, Window(0, 0, 60, 80)) is encoded
