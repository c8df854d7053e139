import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import sides
from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.place import Place


@pytest.mark.parametrize("side", [sides.fries, sides.sausages, sides.nuggets, sides.dumplings, sides.tofu, sides.lemon])
def test_a_side_dish_is_drawn_at_its_place_and_is_no_food_of_the_label(side):
    for seed in range(6):
        canvas = Canvas(96)
        side(canvas, np.random.default_rng(seed), Place(40, 56, 12, 0.85))
        rows, columns = np.nonzero(canvas.albedo.any(axis=0))
        assert rows.size > 100
        assert abs(rows.mean() / 2 - 56) < 6
        assert abs(columns.mean() / 2 - 40) < 6
        assert canvas.cover.sum() == 0
