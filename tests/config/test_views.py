import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jdnet_jax.config import views
from jdnet_jax.process.errors import UserError

PHOTO = np.array([[[10, 20, 30], [1, 2, 3]]], np.uint8)  # 1 x 2 pixels
MASK = np.array([[[1], [0]]], np.uint8)


def test_the_region_is_the_food_on_black_and_the_context_the_rest():
    both = views.cut(PHOTO, MASK, views.BOTH)
    np.testing.assert_array_equal(both["image"], [[[10, 20, 30], [0, 0, 0]]])
    np.testing.assert_array_equal(both["context"], [[[0, 0, 0], [1, 2, 3]]])
    for view, expected in ((views.ROI, both["image"]), (views.CONTEXT, both["context"]), (views.PHOTO, PHOTO)):
        found = views.cut(PHOTO, MASK, view)
        assert found.keys() == {"image"}
        np.testing.assert_array_equal(found["image"], expected)


@given(
    photo=arrays.arrays(np.uint8, (3, 4, 3)),
    mask=arrays.arrays(np.uint8, (3, 4, 1), elements=st.integers(0, 1)),
)
def test_region_and_context_add_up_to_the_photo(photo, mask):
    both = views.cut(photo, mask, views.BOTH)
    np.testing.assert_array_equal(both["image"] + both["context"], photo)
    assert not np.any((both["image"] > 0) & (both["context"] > 0))


@given(
    photo=arrays.arrays(np.uint8, (1, 3, 4, 3)),
    mask=arrays.arrays(np.uint8, (1, 3, 4, 1), elements=st.integers(0, 1)),
)
def test_photo_and_mask_of_six_channels_give_them_again(photo, mask):
    """So an exported file that is given photo and mask sees what the student sees."""
    six = views.seen(photo, mask, views.BOTH)
    assert six.shape == (1, 3, 4, 6)
    again = views.photo_and_mask(six)
    assert [part.dtype for part in again] == [np.uint8, np.uint8]
    np.testing.assert_array_equal(again[0], photo)
    np.testing.assert_array_equal(views.seen(*again, views.BOTH), six)


@pytest.mark.parametrize("library", [np, jnp])
def test_which_arrays_of_a_batch_a_network_takes(library):
    parts = {"image": library.asarray(PHOTO * MASK), "context": library.asarray(PHOTO * (1 - MASK)), "label": 0}
    whole = views.images_for(3, parts)
    np.testing.assert_array_equal(whole, PHOTO)  # a network of one branch sees the whole photo
    np.testing.assert_array_equal(views.images_for(6, parts), np.concatenate([parts["image"], parts["context"]], -1))
    assert views.images_for(3, {"image": whole}) is whole
    with pytest.raises(UserError, match=r"set config.dataset.view='roi\+context', with a dataset that has masks$"):
        views.images_for(6, {"image": whole})


def test_views_can_be_named_without_jax():
    code = "import sys, jdnet_jax.config.views; assert not {'jax', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
