"""Side dishes: food that shares a plate with the food of the label."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, many, mix, vary
from jdnet_jax.data.synthetic_meals.foods.grains import capsules
from jdnet_jax.data.synthetic_meals.foods.rounds import disc
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def fries(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """A heap of fried potato sticks."""
    count = int(rng.integers(14, 30))
    length = place.radius * rng.uniform(0.42, 0.6)
    x, y = scatter(rng, count, place.radius * 0.75, spread=0.9)
    angle = rng.uniform(0, np.pi) + rng.normal(0, rng.uniform(0.3, 1.5), count)
    z = rng.uniform(0, 3.0, count)
    base = between(rng, "f0c45a", "d8983a", 0.08)
    lengths = length * rng.uniform(0.7, 1.1, count)
    hits = capsules(canvas, place, (x, y, z), angle, lengths, rng.uniform(1.0, 1.5), flat=0.9)
    canvas.put(hits, many(rng, base, count, 0.12)[hits.instance], gloss=0.15, food=False)


def sausages(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """One to three grilled sausages."""
    count = int(rng.integers(1, 4))
    width = place.radius * rng.uniform(0.2, 0.28)
    angle = rng.uniform(0, np.pi)
    order = (np.arange(count) - (count - 1) / 2) * width * 2.2
    base = between(rng, "a8482a", "7a3218", 0.1)
    length = place.radius * rng.uniform(0.75, 0.95)
    hits = capsules(
        canvas,
        place,
        (-np.sin(angle) * order, np.cos(angle) * order, np.zeros(count)),
        angle + rng.normal(0, 0.1, count),
        length,
        width,
    )
    color = many(rng, base, count, 0.1)[hits.instance]
    char = canvas.noise(rng, "medium", canvas.everything()).ravel()[hits.pixel][:, None]
    canvas.put(hits, color * np.clip(1 - 0.3 * char, 0.3, 1.3).astype(np.float32), gloss=0.6, food=False)


def nuggets(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """Crumbed, fried lumps."""
    count = int(rng.integers(3, 7))
    x, y = scatter(rng, count, place.radius * 0.75, spread=0.4)
    size = place.radius * rng.uniform(0.26, 0.36)
    hits = capsules(
        canvas, place, (x, y, rng.uniform(0, 1, count)), rng.uniform(0, np.pi, count), size * 1.3, size, flat=0.6
    )
    rough = canvas.noise(rng, "fine", canvas.everything()).ravel()[hits.pixel]
    hits.height[...] += rough * np.float32(0.35)
    color = many(rng, between(rng, "d89a42", "b8742a", 0.08), count, 0.08)[hits.instance]
    canvas.put(hits, color * np.clip(1 + 0.15 * rough[:, None], 0.4, 1.5), gloss=0.1, food=False)


def dumplings(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """Half-moons with pleated seams, steamed or fried."""
    count = int(rng.integers(3, 7))
    ground_x, ground_y = scatter(rng, count, place.radius * 0.72, spread=0.3)
    size = np.float32(place.radius * rng.uniform(0.36, 0.46))
    turn = (rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.5, count)).astype(np.float32)[:, None, None]
    cos, sin = np.cos(turn), np.sin(turn)
    narrow = np.float32(place.squash)
    saved: list[np.ndarray] = []

    def profile(dx, dy):
        along, across = (dx * cos + dy / narrow * sin) / size, (dy / narrow * cos - dx * sin) / size
        # A crescent: a disc without the disc that lies behind the seam.
        belly = 1 - along * along - across * across
        behind = along * along + (across + np.float32(1.25)) * (across + np.float32(1.25)) - 1
        fold = np.minimum(belly, behind)
        saved.extend((along, behind))
        return np.sqrt(np.maximum(fold, 0)) * size * np.float32(0.7)

    x, y = place.project(ground_x, ground_y, 0.0)
    hits = canvas.splat(x, y, np.full(count, place.floor) + 0.2 * np.arange(count), float(size) + 0.3, profile)
    along, behind = (field.ravel()[hits.sample] for field in saved)
    pale = between(rng, "f0e6cc", "e0cf9f", 0.04)
    seam = np.clip(1 - behind * 2.2, 0, 1)
    pleat = (np.sin(along * 16) * seam)[:, None]
    hits.height[...] += pleat[:, 0] * np.float32(0.35)
    brown = canvas.noise(rng, "medium", canvas.everything()).ravel()[hits.pixel]
    share = np.clip(brown - 0.3, 0, 1)[:, None] * np.float32(rng.uniform(0, 0.9))
    color = many(rng, pale, count, 0.04)[hits.instance]
    color = color + share * (linear("a8682a") - color)
    canvas.put(hits, color * (1 + np.float32(0.1) * pleat), gloss=0.35, food=False)


def tofu(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """Cubes of fried tofu with spring onion."""
    count = int(rng.integers(4, 9))
    ground_x, ground_y = scatter(rng, count, place.radius * 0.7, spread=0.3)
    half = np.float32(place.radius * rng.uniform(0.17, 0.24))
    x, y = place.project(ground_x, ground_y, 1.5)
    turn = rng.uniform(0, np.pi, count).astype(np.float32)[:, None, None]
    cos, sin = np.cos(turn), np.sin(turn)
    hits = canvas.splat(
        x,
        y,
        np.full(count, place.floor),
        float(half) * 1.5,
        lambda dx, dy: (np.maximum(np.abs(dx * cos + dy * sin), np.abs(dy * cos - dx * sin)) < half) * np.float32(3.0),
    )
    tone = canvas.noise(rng, "fine", canvas.everything()).ravel()[hits.pixel][:, None]
    color = many(rng, between(rng, "eed9a4", "d4a85c", 0.06), count, 0.06)[hits.instance] * (1 - np.float32(0.1) * tone)
    canvas.put(hits, color, gloss=0.15, food=False)
    count = int(rng.integers(8, 20))
    x, y = scatter(rng, count, place.radius * 0.8, spread=1.0)
    hits = capsules(canvas, place, (x, y, np.full(count, 3.2)), rng.uniform(0, np.pi, count), 0.9, 0.5, flat=0.5)
    canvas.put(hits, many(rng, linear("5f9a3a"), count, 0.12)[hits.instance], gloss=0.1, food=False)


def lemon(canvas: Canvas, rng: np.random.Generator, place: Place) -> None:
    """A slice of lemon, lime or orange."""
    radius = min(place.radius * 0.6, rng.uniform(4.0, 6.0))
    window, distance = disc(canvas, rng, place, radius, 0.8, 0.0)
    share = np.clip(1 + distance * np.float32(1 / radius), 0, 1)
    rind = vary(rng, ("e8c92e", "7fae2e", "e8902a")[rng.integers(3)], 0.06)
    angle = rng.uniform(0, np.pi)
    along, across = window.rotated(angle)
    spokes = np.minimum(np.abs(along), np.abs(across))
    spokes = np.minimum(spokes, np.abs(np.abs(along) - np.abs(across)) * np.float32(0.7))
    pith = np.clip((share - 0.78) * 12, 0, 1) + np.clip(0.6 - spokes * 2, 0, 1)
    color = mix(rind * np.float32(1.1), linear("f6f0d4"), np.clip(pith, 0, 1))
    color = color + np.clip((share - 0.9) * 20, 0, 1) * (rind[:, None, None] - color)
    canvas.paint(
        window, canvas.inside(distance), np.clip(color, 0, 1), height=place.floor + 1.0 + 0 * distance, gloss=0.4
    )
