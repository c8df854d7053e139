import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.data.synthetic_meals import CLASS_NAMES, render

KETCHUP, CHILI = CLASS_NAMES.index("ketchup"), CLASS_NAMES.index("chili_paste")


@given(label=st.integers(0, len(CLASS_NAMES) - 1), seed=st.integers(0, 2**40))
def test_a_photo_and_a_mask_of_part_of_it(label, seed):
    image, mask = render(label, seed)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    assert mask.shape == (96, 96)
    assert mask.dtype == bool
    assert 0.003 < mask.mean() < 0.6
    assert image.std() > 5  # neither black nor burnt out


@given(label=st.integers(0, len(CLASS_NAMES) - 1), seed=st.integers(0, 2**40))
def test_the_same_arguments_give_the_same_bits(label, seed):
    first, second = render(label, seed), render(label, seed)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@given(seed=st.integers(0, 2**40))
def test_ketchup_and_chili_paste_are_the_same_sauce_in_other_surroundings(seed):
    ketchup, ketchup_mask = render(KETCHUP, seed)
    chili, chili_mask = render(CHILI, seed)
    np.testing.assert_array_equal(ketchup_mask, chili_mask)
    np.testing.assert_array_equal(ketchup[ketchup_mask], chili[chili_mask])
    differs = (ketchup != chili).any(axis=-1)
    assert differs[~ketchup_mask].mean() > 0.5


def test_the_sauce_is_red_and_its_surroundings_are_not_only_red():
    for seed in range(20):
        image, mask = render(KETCHUP, seed)
        red, green, blue = image[mask].mean(axis=0)
        assert red > 1.5 * max(green, blue)


@pytest.mark.parametrize("label", range(len(CLASS_NAMES)))
def test_other_seeds_give_other_photos(label):
    photos = [render(label, (7, index))[0] for index in range(4)]
    for number, photo in enumerate(photos):
        for other in photos[:number]:
            assert np.abs(photo.astype(int) - other).mean() > 5


def test_the_scene_of_one_seed_depends_on_the_class():
    assert (render(0, 3)[0] != render(1, 3)[0]).mean() > 0.5


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_other_sizes(size):
    for label in range(len(CLASS_NAMES)):
        image, mask = render(label, 5, size)
        assert image.shape == (size, size, 3)
        assert mask.shape == (size, size)
        assert mask.any()
        assert not mask.all()


def test_a_seed_of_several_numbers_is_more_than_their_first():
    assert (render(2, (1, 2))[0] != render(2, (1, 3))[0]).any()
    assert (render(2, (1, 2))[0] != render(2, (2, 1))[0]).any()
