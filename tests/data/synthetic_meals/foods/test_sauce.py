import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.foods.sauce import sauce
from jdnet_jax.data.synthetic_meals.place import Place


def test_the_sauce_is_one_red_blob_around_its_place():
    for seed in range(20):
        canvas = Canvas(96)
        sauce(canvas, np.random.default_rng(seed), Place(48, 48, 10, 0.9), True)
        covered = canvas.cover > 0.5
        assert covered[96, 96]
        assert 50 < covered.sum() / 4 < 500  # square units
        red, green, blue = canvas.albedo[:, covered].mean(axis=1)
        assert red > 3 * max(green, blue)


def test_where_it_lies_does_not_change_its_form():
    first, second = Canvas(96), Canvas(96)
    sauce(first, np.random.default_rng(1), Place(48, 48, 10, 0.9), True)
    sauce(second, np.random.default_rng(1), Place(58, 38, 10, 0.9), True)
    moved = np.roll(second.cover, (20, -20), axis=(0, 1))
    np.testing.assert_allclose(first.cover, moved, atol=1e-4)
