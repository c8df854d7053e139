import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import tableware
from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.place import Place

DISHES = {
    "plate": lambda *a: tableware.plate(*a),
    "deep plate": lambda *a: tableware.plate(*a, deep=0.5),
    "bowl": tableware.bowl,
    "board": tableware.board,
    "slab": lambda *a: tableware.board(*a, stone=True),
    "basket": tableware.basket,
}


@pytest.mark.parametrize("dish", DISHES)
def test_a_dish_is_drawn_around_its_place_and_returns_smaller_ground(dish):
    for seed in range(8):
        canvas = Canvas(96)
        canvas.height[...] = 1
        place = Place(40, 52, 30, 0.8)
        well = DISHES[dish](canvas, np.random.default_rng(seed), place, 30)
        assert (well.x, well.y, well.squash) == (40, 52, 0.8)
        assert 10 < well.radius < 35
        assert well.floor > place.floor
        assert canvas.albedo[:, 104, 80].sum() > 0  # its middle
        assert canvas.albedo[:, :6].sum() == 0  # nothing of it near the upper border
        assert canvas.cover.sum() == 0


def test_the_rim_of_a_plate_is_higher_than_its_well():
    canvas = Canvas(96)
    tableware.plate(canvas, np.random.default_rng(0), Place(48, 48, 30, 1.0), 30)
    assert canvas.height.max() > canvas.height[96, 96] + 1
