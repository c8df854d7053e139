import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import scene
from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.place import Place


def test_the_twelve_classes():
    assert len(scene.CLASS_NAMES) == 12
    assert tuple(sorted(scene.CLASS_NAMES)) == scene.CLASS_NAMES
    assert set(scene.CONTEXTS) == {"ketchup", "chili_paste"}
    assert not set(scene.FOODS) & set(scene.CONTEXTS)


@pytest.mark.parametrize("name", scene.FOODS)
def test_a_food_covers_only_when_it_is_the_label(name):
    for is_label in (True, False):
        canvas = Canvas(48)
        scene.FOODS[name](canvas, np.random.default_rng(2), Place(48, 48, 20, 0.9), is_label)
        assert (canvas.cover.sum() > 0) == is_label
        assert canvas.albedo.any()


@pytest.mark.parametrize("name", scene.FOODS)
def test_a_food_stays_near_its_place(name):
    for seed in range(5):
        canvas = Canvas(48)
        scene.FOODS[name](canvas, np.random.default_rng(seed), Place(48, 48, 16, 0.9), True)
        rows, columns = np.nonzero(canvas.cover > 0.5)
        for positions in (rows, columns):
            # The canvas has one sample a unit.
            assert abs(positions.mean() - 48) < 12
            assert np.abs(positions - 48).max() < 16 * 1.7 + 10


@pytest.mark.parametrize("name", scene.CONTEXTS)
def test_the_surroundings_hold_no_food_of_the_label(name):
    canvas = Canvas(48)
    ground = scene.sauce_scene(canvas, np.random.default_rng(1), name, Place(48, 48, 10, 0.9))
    assert canvas.cover.sum() == 0
    assert (ground.x, ground.y) == (48, 48)


def test_colours_and_fields_stay_finite_and_in_range():
    for seed in range(30):
        canvas = Canvas(32)
        scene.meal(canvas, np.random.default_rng(seed), list(scene.FOODS)[seed % 10], 0.85)
        for field in (canvas.albedo, canvas.height, canvas.gloss, canvas.cover):
            assert field.dtype == np.float32
            assert np.isfinite(field).all()
        assert canvas.albedo.min() >= -1e-6
        assert 0 <= canvas.gloss.min() <= canvas.gloss.max() <= 1
        assert -1e-6 <= canvas.cover.min() <= canvas.cover.max() <= 1 + 1e-6
