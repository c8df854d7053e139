"""Which food is served on what, beside what: the scenes of the twelve classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from jdnet_jax.data.synthetic_meals import clutter, sides, tables, tableware
from jdnet_jax.data.synthetic_meals.canvas import UNITS, Canvas
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


def serve(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, weights: tuple[float, ...]) -> Place:
    """Lays a plate, deep plate, bowl, board, slab or basket drawn with `weights`; returns the ground for food."""
    kind = rng.choice(6, p=np.array(weights) / np.sum(weights))
    if kind == 0:
        return tableware.plate(canvas, rng, place, radius)
    if kind == 1:
        return tableware.plate(canvas, rng, place, radius, deep=rng.uniform(0.3, 0.7))
    if kind == 2:
        return tableware.bowl(canvas, rng, place, radius * 0.85)
    if kind == 5:
        return tableware.basket(canvas, rng, place, radius * 0.9)
    return tableware.board(canvas, rng, place, radius * 0.95, stone=kind == 4)


def meal(canvas: Canvas, rng: np.random.Generator, label: str, squash: float) -> None:
    """Draws a scene of one of `FOODS`: table, clutter, dish, side dishes, the food, and what lies over it."""
    tables.lay(canvas, rng, _ANY_TABLE)
    radius = rng.uniform(26, 42)
    place = Place(UNITS / 2 + rng.normal(0, 6), UNITS / 2 + rng.normal(0, 6), radius, squash)
    clutter.strew(canvas, rng, place, radius, eastern=0.35)
    well = serve(canvas, rng, place, radius, (5, 1.2, 1, 1, 0.7, 0.5))
    shift = rng.uniform(0, 2 * np.pi)
    share = 1.0
    if rng.random() < 0.55:
        # The label's food keeps the larger part of the plate; a smaller one of something else shares it.
        share = rng.uniform(0.72, 0.85)
        others = [name for name in FOODS if name != label]
        for number in range(int(rng.integers(1, 3))):
            angle = shift + np.pi + number * 1.3
            away = well.radius * 0.66
            size = well.radius * rng.uniform(0.3, 0.42)
            _side(canvas, rng, well.moved(away * np.cos(angle), away * np.sin(angle), size), others)
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


def _side(canvas: Canvas, rng: np.random.Generator, place: Place, others: list[str]) -> None:
    kind = rng.random()
    if kind < 0.4:
        small = dataclasses.replace(place, radius=place.radius * 1.1)
        FOODS[("peas", "carrot_slices", "rice", "salad")[rng.integers(4)]](canvas, rng, small, False)
    elif kind < 0.6:
        leaves(canvas, rng, place, place.radius, int(rng.integers(3, 7)), False)
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
    weights = (4, 0.8, 0, 1.0, 1.6, 0) if eastern else (4, 0.8, 0, 1.6, 0.5, 2.5)
    well = serve(canvas, rng, place, radius, weights)
    reach = sauce.radius + rng.uniform(0.42, 0.5) * radius
    beside = Place(
        sauce.x + reach * np.cos(angle),
        sauce.y + reach * np.sin(angle) * sauce.squash,
        radius * rng.uniform(0.42, 0.55),
        sauce.squash,
        well.floor,
    )
    if eastern:
        companion = rng.choice(5, p=[0.35, 0.25, 0.2, 0.1, 0.1])
        (
            lambda: rice(canvas, rng, beside, False),
            lambda: sides.dumplings(canvas, rng, beside),
            lambda: sides.tofu(canvas, rng, beside),
            lambda: salmon_nigiri(canvas, rng, beside, False),
            lambda: leaves(canvas, rng, beside, beside.radius, 8, False),
        )[companion]()
    else:
        companion = rng.choice(5, p=[0.45, 0.2, 0.15, 0.1, 0.1])
        (
            lambda: sides.fries(canvas, rng, beside),
            lambda: sides.sausages(canvas, rng, beside),
            lambda: sides.nuggets(canvas, rng, beside),
            lambda: burger(canvas, rng, beside, False),
            lambda: leaves(canvas, rng, beside, beside.radius, 8, False),
        )[companion]()
    ground = dataclasses.replace(sauce, floor=well.floor)
    dish = rng.random()
    if dish < (0.65 if eastern else 0.25):
        glaze = (
            ("8fb09a", "a9c4b0", "3d5a50", "20201f", "dfe6e6")[rng.integers(5)]
            if eastern
            else ("f4f2ec", "e8e8ea", "c9c9cc")[rng.integers(3)]
        )
        saucer = Place(sauce.x, sauce.y, sauce.radius, sauce.squash, well.floor)
        ground = tableware.plate(
            canvas, rng, saucer, sauce.radius * rng.uniform(1.35, 1.6), glaze=glaze, deep=rng.uniform(0.1, 0.5)
        )
    if eastern and rng.random() < 0.5:
        turn = angle + np.pi / 2 + rng.normal(0, 0.3)
        out = sauce.radius * 1.3 + 8
        clutter.chopsticks(canvas, rng, sauce.x - out * np.cos(angle), sauce.y - out * np.sin(angle), turn, well.floor)
    return ground
