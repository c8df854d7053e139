import numpy as np
import pytest
import tensorflow as tf

from jdnet_jax.data import mixing
from tests.data.tiny import augment_config

SIZE = 16


def batch(pairs, seed=3):
    """Photos of one value each: 10 for the first of a pair, 210 for the second; label = position."""
    n = 2 * pairs
    values = np.where(np.arange(n) % 2, 210, 10).astype(np.uint8)
    return {
        "image": tf.constant(np.broadcast_to(values[:, None, None, None], (n, SIZE, SIZE, 3))),
        "label": tf.range(n),
        "key": tf.stack([tf.fill([n], tf.constant(seed, tf.int64)), tf.range(n, dtype=tf.int64)], 1),
    }


def mix(pairs, **changes):
    augment = augment_config(**changes)
    mixed = tf.function(lambda photos: mixing.mix_pairs(photos, augment))(batch(pairs))  # as in a pipeline
    return {name: value.numpy() for name, value in mixed.items()}


@pytest.mark.parametrize("changes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}], ids=str)
def test_share_says_how_much_of_the_photo_is_its_own(changes):
    mixed = mix(60, **changes)
    own = np.where(np.arange(120) % 2, 210.0, 10.0)
    share = mixed["share"]
    # mean = share * own + (1 - share) * partner, the partner being 220 - own
    expected = share * own + (1 - share) * (220.0 - own)
    np.testing.assert_allclose(mixed["image"].astype(float).mean((1, 2, 3)), expected, atol=0.51)
    np.testing.assert_array_equal(mixed["label"], np.arange(120))
    np.testing.assert_array_equal(mixed["mixed_label"], np.arange(120) ^ 1)
    np.testing.assert_array_equal(share[::2], share[1::2])
    assert share.dtype == np.float32
    assert share.min() >= 0.0
    assert share.max() <= 1.0
    assert len(np.unique(share)) > 25


def test_mixup_blends_every_pixel_and_cutmix_pastes_one_rectangle():
    blended = mix(20, mixup=1.0)["image"]
    assert np.all(blended == blended[:, :1, :1, :1])
    for pixels, position in zip(mix(20, cutmix=1.0)["image"], range(40), strict=True):
        own = 210 if position % 2 else 10
        assert set(np.unique(pixels)) <= {10, 210}
        pasted = (pixels != own).all(-1)
        rows, columns = pasted.any(1), pasted.any(0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns[None])


def test_mixup_shares_are_beta():
    """Beta(0.4, 0.4): mean 1/2, variance 1 / (4 (2 * 0.4 + 1)) = 0.1389."""
    share = mix(2000, mixup=0.4)["share"][::2]
    assert abs(share.mean() - 0.5) < 0.03  # standard error 0.008
    assert abs(share.var() - 0.1389) < 0.01


def test_cutmix_shares_cover_the_range():
    """Beta(1, 1) before the border cuts squares off, which only enlarges what a photo keeps."""
    share = mix(2000, cutmix=1.0)["share"][::2]
    assert share.mean() > 0.5
    assert np.mean(share < 0.25) > 0.01
    assert np.mean(share > 0.75) > 0.25


def test_probability_and_both():
    mixed = mix(1000, mixup=1.0, cutmix=1.0, mix_probability=0.4)
    untouched = mixed["share"][::2] == 1.0
    # A CutMix rectangle of no pixels also leaves a pair as it is.
    assert 0.57 < untouched.mean() < 0.67  # standard deviation 0.016
    own = np.where(np.arange(2000) % 2, 210, 10)
    same = mixed["share"] == 1.0
    np.testing.assert_array_equal(mixed["image"][same, 0, 0, 0], own[same])
    pixels = mixed["image"][::2][~untouched]
    cut = np.array([set(np.unique(p)) <= {10, 210} for p in pixels])
    assert 0.4 < cut.mean() < 0.6


def test_the_smallest_alpha_takes_nearly_all_of_one_photo():
    share = mix(200, mixup=0.01)["share"]
    assert np.all(np.isfinite(share))
    assert np.mean(np.minimum(share, 1.0 - share) < 1e-3) > 0.8


def test_is_on():
    assert not mixing.is_on(augment_config())
    assert not mixing.is_on(augment_config(mixup=0.2, mix_probability=0.0))
    assert mixing.is_on(augment_config(cutmix=1.0))
