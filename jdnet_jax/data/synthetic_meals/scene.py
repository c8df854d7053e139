"""Scenes of the twelve classes: which food is served on which dish, beside what."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from jdnet_jax.data.synthetic_meals import clutter, sides, tables, tableware
from jdnet_jax.data.synthetic_meals.canvas import UNITS, Canvas
from jdnet_jax.data.synthetic_meals.chance import pick
from jdnet_jax.data.synthetic_meals.foods.egg import fried_egg
from jdnet_jax.data.synthetic_meals.foods.grains import peas, rice
from jdnet_jax.data.synthetic_meals.foods.nigiri import salmon_nigiri
from jdnet_jax.data.synthetic_meals.foods.pasta import spaghetti
from jdnet_jax.data.synthetic_meals.foods.pizza import pizza_slice
from jdnet_jax.data.synthetic_meals.foods.rounds import burger, pancakes
from jdnet_jax.data.synthetic_meals.foods.salad import leaves, salad
from jdnet_jax.data.synthetic_meals.foods.slices import carrot_slices
from jdnet_jax.data.synthetic_meals.place import Place

Food = Callable[[Canvas, np.random.Generator, Place, bool], None]

FOODS: dict[str, Food] = {
    "burger": burger,
    "carrot_slices": carrot_slices,
    "fried_egg": fried_egg,
    "pancakes": pancakes,
    "peas": peas,
    "pizza_slice": pizza_slice,
    "rice": rice,
    "salad": salad,
    "salmon_nigiri": salmon_nigiri,
    "spaghetti": spaghetti,
}
"""Classes that are recognised by the food itself."""

CONTEXTS = ("chili_paste", "ketchup")
"""Classes that share one food, the red sauce, and differ in its surroundings."""

CLASS_NAMES: tuple[str, ...] = tuple(sorted((*FOODS, *CONTEXTS)))

_ANY_TABLE = {
    "wood": 3.0,
    "gingham": 1.0,
    "striped": 1.0,
    "linen": 1.5,
    "marble": 1.0,
    "slate": 1.2,
    "plain": 1.6,
    "bamboo": 0.7,
}
_WESTERN = {
    "wood": 3.0,
    "gingham": 2.0,
    "striped": 1.0,
    "linen": 1.0,
    "marble": 0.8,
    "slate": 0.8,
    "plain": 1.5,
    "bamboo": 0.2,
}
_EASTERN = {
    "wood": 3.0,
    "gingham": 0.2,
    "striped": 0.7,
    "linen": 1.0,
    "marble": 0.8,
    "slate": 1.6,
    "plain": 1.2,
    "bamboo": 2.0,
}


# What food is served on.
_ANY_DISH = {"plate": 5.0, "deep plate": 1.2, "bowl": 1.0, "board": 1.0, "slab": 0.7, "basket": 0.5}
_WESTERN_DISH = {"plate": 4.0, "deep plate": 0.8, "board": 1.6, "slab": 0.5, "basket": 2.5}
_EASTERN_DISH = {"plate": 4.0, "deep plate": 0.8, "board": 1.0, "slab": 1.6}


def _side_food(food: Food) -> Callable[[Canvas, np.random.Generator, Place], None]:
    return lambda canvas, rng, place: food(canvas, rng, place, False)


def _lettuce(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    leaves(canvas, rng, place, place.radius, int(rng.integers(4, 9)), False)


# What the sauce is eaten with. Lettuce says nothing about which sauce it is.
_WESTERN_COMPANY = {
    sides.fries: 0.45,
    sides.sausages: 0.2,
    sides.nuggets: 0.15,
    _side_food(burger): 0.1,
    _lettuce: 0.1,
}
_EASTERN_COMPANY = {
    _side_food(rice): 0.35,
    sides.dumplings: 0.25,
    sides.tofu: 0.2,
    _side_food(salmon_nigiri): 0.1,
    _lettuce: 0.1,
}
_WESTERN_GLAZES = ("f4f2ec", "e8e8ea", "c9c9cc")
_EASTERN_GLAZES = ("8fb09a", "a9c4b0", "3d5a50", "20201f", "dfe6e6")  # celadon and lacquer


def serve(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, weights: dict[str, float]) -> Place:
    """Lays a dish drawn with `weights`; returns the ground for food."""
    dish = pick(rng, weights)
    if dish == "plate":
        return tableware.plate(canvas, rng, place, radius)
    if dish == "deep plate":
        return tableware.plate(canvas, rng, place, radius, deep=rng.uniform(0.3, 0.7))
    if dish == "bowl":
        return tableware.bowl(canvas, rng, place, radius * 0.85)
    if dish == "basket":
        return tableware.basket(canvas, rng, place, radius * 0.9)
    return tableware.board(canvas, rng, place, radius * 0.95, stone=dish == "slab")


def meal(canvas: Canvas, rng: np.random.Generator, label: str, squash: float) -> None:
    """Draws a scene of one of `FOODS`: table, clutter, dish, side dishes, the food, and what lies over it."""
    tables.lay(canvas, rng, _ANY_TABLE)
    radius = rng.uniform(28, 46)
    place = Place(UNITS / 2 + rng.normal(0, 6), UNITS / 2 + rng.normal(0, 6), radius, squash)
    clutter.strew(canvas, rng, place, radius, eastern=0.35)
    well = serve(canvas, rng, place, radius, _ANY_DISH)
    shift = rng.uniform(0, 2 * np.pi)
    share = 1.0
    if rng.random() < 0.55:
        # The label's food keeps the larger part of the plate; a smaller one of something else shares it.
        share = rng.uniform(0.72, 0.85)
        for number in range(int(rng.integers(1, 3))):
            angle = shift + np.pi + number * 1.3
            away = well.radius * 0.66
            size = well.radius * rng.uniform(0.3, 0.42)
            _side(canvas, rng, well.moved(away * np.cos(angle), away * np.sin(angle), size), label)
    off = well.radius * ((1 - share) * 0.8 + abs(rng.normal(0, 0.05)))
    food_place = well.moved(off * np.cos(shift), off * np.sin(shift), well.radius * share)
    FOODS[label](canvas, rng, food_place, True)
    if rng.random() < 0.25:
        clutter.spots(canvas, rng, food_place, well.radius)
    if rng.random() < 0.2:
        angle = rng.uniform(0, 2 * np.pi)
        reach = well.radius * rng.uniform(0.5, 0.8)
        clutter.cutlery(
            canvas,
            rng,
            well.x + reach * np.cos(angle),
            well.y + reach * np.sin(angle) * squash,
            angle + rng.normal(0, 0.4),
            well.floor + 5,
        )


def _side(canvas: Canvas, rng: np.random.Generator, place: Place, label: str) -> None:
    """A small helping of anything but the label's food."""
    kind = rng.random()
    if kind < 0.4:
        others = [name for name in ("carrot_slices", "peas", "rice", "salad") if name != label]
        FOODS[others[rng.integers(len(others))]](
            canvas, rng, dataclasses.replace(place, radius=place.radius * 1.1), False
        )
    elif kind < 0.6 and label != "salad":
        _lettuce(canvas, rng, place)
    elif kind < 0.75:
        sides.lemon(canvas, rng, place)
    else:
        (sides.fries, sides.sausages, sides.nuggets, sides.dumplings, sides.tofu)[rng.integers(5)](canvas, rng, place)


def sauce_scene(canvas: Canvas, rng: np.random.Generator, label: str, sauce: Place) -> Place:
    """Draws the surroundings of the sauce, which lies at `sauce` whatever the label.

    Ketchup lies on a western plate, board or diner basket beside fries, sausages, nuggets or a burger; chili paste,
    often in a small celadon bowl, on eastern ware beside rice, dumplings, tofu or nigiri with chopsticks. Table, plate
    and clutter overlap between the two, so that no single cue decides.

    Returns:
        The ground on which the sauce lies.
    """
    eastern = label == "chili_paste"
    tables.lay(canvas, rng, _EASTERN if eastern else _WESTERN)
    angle = rng.uniform(0, 2 * np.pi)
    radius = rng.uniform(30, 42)
    # The plate's middle lies beyond the companion, seen from the sauce.
    away = radius * rng.uniform(0.25, 0.4)
    place = Place(sauce.x + away * np.cos(angle), sauce.y + away * np.sin(angle) * sauce.squash, radius, sauce.squash)
    clutter.strew(canvas, rng, place, radius, eastern=0.8 if eastern else 0.1)
    well = serve(canvas, rng, place, radius, _EASTERN_DISH if eastern else _WESTERN_DISH)
    reach = sauce.radius + rng.uniform(0.42, 0.5) * radius
    beside = Place(
        sauce.x + reach * np.cos(angle),
        sauce.y + reach * np.sin(angle) * sauce.squash,
        radius * rng.uniform(0.42, 0.55),
        sauce.squash,
        well.floor,
    )
    pick(rng, _EASTERN_COMPANY if eastern else _WESTERN_COMPANY)(canvas, rng, beside)
    ground = dataclasses.replace(sauce, floor=well.floor)
    dish = rng.random()
    if dish < (0.65 if eastern else 0.25):
        glazes = _EASTERN_GLAZES if eastern else _WESTERN_GLAZES
        glaze = glazes[rng.integers(len(glazes))]
        saucer = Place(sauce.x, sauce.y, sauce.radius, sauce.squash, well.floor)
        ground = tableware.plate(
            canvas, rng, saucer, sauce.radius * rng.uniform(1.35, 1.6), glaze=glaze, deep=rng.uniform(0.1, 0.5)
        )
    if eastern and rng.random() < 0.5:
        turn = angle + np.pi / 2 + rng.normal(0, 0.3)
        out = sauce.radius * 1.3 + 8
        clutter.chopsticks(canvas, rng, sauce.x - out * np.cos(angle), sauce.y - out * np.sin(angle), turn, well.floor)
    return ground
