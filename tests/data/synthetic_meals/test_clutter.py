import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import clutter
from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.place import Place

THINGS = {
    "cutlery": lambda canvas, rng: clutter.cutlery(canvas, rng, 48, 48, 0.7, 1.0),
    "chopsticks": lambda canvas, rng: clutter.chopsticks(canvas, rng, 48, 48, 0.7, 1.0),
    "cup": lambda canvas, rng: clutter.cup(canvas, rng, 48, 48, 0.8, 1.0),
    "napkin": lambda canvas, rng: clutter.napkin(canvas, rng, 48, 48, 1.0),
    "crumbs": lambda canvas, rng: clutter.crumbs(canvas, rng, 48, 48, 1.0),
    "spots": lambda canvas, rng: clutter.spots(canvas, rng, Place(48, 48, 10, 0.8), 20),
}


@pytest.mark.parametrize("thing", THINGS)
def test_a_thing_is_drawn_and_takes_the_food_below_it_away(thing):
    for seed in range(8):
        canvas = Canvas(96)
        everything = canvas.everything()
        everywhere = np.ones(everything.shape, np.float32)
        canvas.paint(everything, everywhere, np.full(3, 2, np.float32), height=0.5, food=True)  # no thing's colour
        THINGS[thing](canvas, np.random.default_rng(seed))
        drawn = (canvas.albedo != 2).any(axis=0)
        assert 0 < drawn.mean() < 0.6
        assert (canvas.cover[drawn] < 1).all()
        assert (canvas.cover[~drawn] == 1).all()


def test_cutlery_lies_along_its_angle():
    canvas = Canvas(96)
    clutter.cutlery(canvas, np.random.default_rng(0), 20, 48, 0.0, 1.0)
    drawn = canvas.albedo.any(axis=0)
    assert drawn[:, 80:110].any()  # the handle runs to the right
    assert not drawn[:60].any()
    assert not drawn[132:].any()


def test_strewing_leaves_the_plate_free_of_food():
    canvas = Canvas(48)
    for seed in range(20):
        clutter.strew(canvas, np.random.default_rng(seed), Place(48, 48, 20, 0.8), 20, eastern=0.5)
    assert canvas.cover.sum() == 0
    assert canvas.albedo.any()
