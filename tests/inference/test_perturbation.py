"""By hand, and as properties: a permutation is one, and its inverse undoes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.inference.perturbation import Blur, Jpeg, Noise, Permutation, Translocation, parse, permuted, perturb
from jdnet_jax.process.errors import UserError


def views(count=2, size=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def one(view, perturbation):
    return perturbation(view, np.random.default_rng(0))


@given(st.integers(1, 4), st.integers(2, 4), st.integers(0, 10_000))
def test_a_permutation_moves_whole_patches_and_its_inverse_undoes_it(patch, across, seed):
    view = views(1, patch * across, seed)[0]
    order = np.random.default_rng(seed).permutation(across**2)
    moved = permuted(view, patch, order)
    for place, origin in enumerate(order):
        (y, x), (v, u) = divmod(place, across), divmod(origin, across)
        np.testing.assert_array_equal(
            moved[y * patch : (y + 1) * patch, x * patch : (x + 1) * patch],
            view[v * patch : (v + 1) * patch, u * patch : (u + 1) * patch],
        )
    np.testing.assert_array_equal(permuted(moved, patch, np.argsort(order)), view)


def test_patches_by_hand():
    # One number a pixel, the same in the three channels.
    view = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, 2)
    moved = permuted(view, 2, np.array([3, 0, 1, 2]))[:, :, 0]
    np.testing.assert_array_equal(moved, [[10, 11, 0, 1], [14, 15, 4, 5], [2, 3, 8, 9], [6, 7, 12, 13]])


def test_every_order_of_the_patches_is_as_likely_as_another():
    view = np.arange(4, dtype=np.uint8).reshape(2, 2, 1).repeat(3, 2)
    moved = perturb(np.stack([view] * 2400), Permutation(1), 0, np.arange(2400))
    orders, counts = np.unique(moved[..., 0].reshape(-1, 4), axis=0, return_counts=True)
    assert len(orders) == 24
    # 100 expected of each; the deviation of one count is 10.
    assert counts.min() > 60
    assert counts.max() < 140


def test_a_translocation_by_hand():
    view = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, 2)
    moved = one(view, Translocation(right=1, down=-2))[:, :, 0]
    g = 125
    np.testing.assert_array_equal(moved, [[g, 8, 9, 10], [g, 12, 13, 14], [g, g, g, g], [g, g, g, g]])
    moved = one(view, Translocation(right=-3, down=0))[:, :, 0]
    np.testing.assert_array_equal(moved, [[3, g, g, g], [7, g, g, g], [11, g, g, g], [15, g, g, g]])
    np.testing.assert_array_equal(one(view, Translocation(0, 0)), view)


def test_a_blur_spreads_a_point_and_keeps_what_is_even():
    even = np.full((9, 9, 3), 77, np.uint8)
    np.testing.assert_array_equal(one(even, Blur(2.0)), even)
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = (255, 0, 0)
    blurred = one(point, Blur(1.0))
    # 255 / (2 pi), up to the truncated tail; channels do not mix.
    assert abs(int(blurred[4, 4, 0]) - 255 / (2 * np.pi)) < 1.5
    assert blurred[4, 5, 0] == blurred[5, 4, 0] > 0
    assert not blurred[..., 1:].any()


def test_noise_has_its_deviation_and_stays_in_range():
    view = np.full((100, 100, 3), 128, np.uint8)
    noisy = one(view, Noise(20.0)).astype(float)
    assert abs(noisy.mean() - 128) < 1
    assert abs(noisy.std() - 20) < 1
    bright = one(np.full((20, 20, 3), 255, np.uint8), Noise(20.0))
    assert bright.max() == 255  # it did not wrap round to 0
    assert bright.min() > 100


def test_jpeg_loses_more_at_a_lower_quality():
    view = np.kron(views(1, 8)[0], np.ones((4, 4, 1), np.uint8))
    lost = [np.abs(one(view, Jpeg(quality)).astype(int) - view).mean() for quality in (95, 50, 5)]
    assert 0 < lost[0] < lost[1] < lost[2]


@pytest.mark.parametrize("perturbation", [Permutation(2), Noise(5.0)])
def test_a_photo_is_changed_alike_beside_whichever_others_it_is(perturbation):
    given_views = views(4)
    all_of_them = perturb(given_views, perturbation, 3, np.arange(4))
    np.testing.assert_array_equal(perturb(given_views[2:3], perturbation, 3, np.array([2]))[0], all_of_them[2])
    assert (perturb(given_views, perturbation, 4, np.arange(4)) != all_of_them).any()
    same = np.stack([given_views[0]] * 2)
    first, second = perturb(same, perturbation, 3, np.arange(2))
    assert (first != second).any()
    np.testing.assert_array_equal(given_views, views(4))  # the input is left as it is


def test_flags_are_read_with_commas_between_and_inside():
    found = parse(["permutation:16,translocation:60,-85", "blur:1.5, noise:20", "jpeg:10", "permutation:16"])
    assert found == {
        "permutation:16": Permutation(16),
        "translocation:60,-85": Translocation(60, -85),
        "blur:1.5": Blur(1.5),
        "noise:20": Noise(20.0),
        "jpeg:10": Jpeg(10),
    }
    assert parse([]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permutaton:16", r"--perturb=permutaton:16: unknown perturbation 'permutaton'; did you mean 'permutation'\?"),
        ("permutation", "'' is not a strength of permutation; write it as permutation:16"),
        ("permutation:0", "'0' is not a strength of permutation"),
        ("permutation:-4", "'-4' is not a strength"),
        ("translocation:60", "'60' is not a strength of translocation; write it as translocation:60,-85"),
        ("translocation:60,-85,3", "'60,-85,3' is not a strength"),
        ("blur:-1", "'-1' is not a strength of blur"),
        ("jpeg:100", "'100' is not a strength of jpeg"),
        ("", "unknown perturbation ''"),
    ],
)
def test_a_mistyped_flag_is_told(text, message):
    with pytest.raises(UserError, match=message):
        parse([text])


def test_sizes_that_a_change_is_not_made_for():
    Permutation(16).check(224)
    with pytest.raises(UserError, match=r"100 pixels cannot be cut into patches of 16; sides that fit are 2, 4, 5, 10"):
        Permutation(16).check(100)
    with pytest.raises(UserError, match="cannot be cut into patches of 32"):
        Permutation(32).check(32)  # one patch has nowhere to go
    Translocation(60, -85).check(224)
    with pytest.raises(UserError, match=r"out of the model's 64 x 64 pixels; .* 60,-85 of 224 is 17,-24"):
        Translocation(60, -85).check(64)
