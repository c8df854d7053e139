"""On drawn discs, whose masks are known."""

import numpy as np
import pytest

from jdnet_jax.segment import rule
from jdnet_jax.segment.grabcut import GrabCut

cv2 = pytest.importorskip("cv2", reason="OpenCV (the extra [segment]) is not installed")


def plate(height=120, width=160, radius=35, seed=0):
    """A red disc in the middle of blue, both with noise, and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2
    pixels = np.where(disc[..., None], (200, 60, 40), (40, 60, 180)) + rng.normal(0, 8, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), disc


def iou(one, other):
    return np.sum(one & other) / np.sum(one | other)


def test_a_disc_is_found_to_its_edge():
    pixels, disc = plate()
    assert iou(GrabCut().segment(pixels), disc) > 0.97


def test_a_larger_photo_is_shrunk_and_its_mask_has_its_own_size():
    pixels, disc = plate(360, 480, radius=105)
    mask = GrabCut(working_size=120).segment(pixels)
    assert mask.shape == disc.shape
    assert mask.dtype == bool
    assert iou(mask, disc) > 0.95


def test_the_same_photo_gives_the_same_mask_whatever_was_done_before():
    pixels, _ = plate(seed=1)
    segmenter = GrabCut()
    first = segmenter.segment(pixels)
    segmenter.segment(plate(seed=2)[0])
    np.testing.assert_array_equal(segmenter.segment(pixels), first)


def test_nothing_lies_beyond_the_rectangle_and_the_middle_is_food_always():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (100, 100, 3), np.uint8)  # nothing to be found in it
    segmenter = GrabCut(margin=0.1)
    mask = segmenter.segment(pixels)
    outside = np.ones((100, 100), bool)
    outside[10:-10, 10:-10] = False
    assert not mask[outside].any()
    assert mask[38:62, 50].all()
    assert segmenter.least - 0.01 < mask.mean() <= segmenter.reach


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_photo_of_one_colour_is_no_error(value):
    mask = GrabCut().segment(np.full((60, 40, 3), value, np.uint8))
    assert mask.shape == (60, 40)


def test_a_photo_too_small_for_colour_models_is_empty():
    segmenter = GrabCut()
    for shape in ((7, 30, 3), (4000, 60, 3), (1, 1, 3)):
        mask = segmenter.segment(np.zeros(shape, np.uint8))
        assert mask.shape == shape[:2]
        assert rule.verdict(mask.mean(), segmenter.least, segmenter.reach) == rule.EMPTY
