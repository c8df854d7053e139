"""Round brown stacks: pancakes and burgers."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jdnet_jax.data.synthetic_meals.canvas import Canvas, Window
from jdnet_jax.data.synthetic_meals.color import between, linear, many, mix, vary
from jdnet_jax.data.synthetic_meals.foods.grains import capsules
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def disc(
    canvas: Canvas,
    rng: np.random.Generator,
    place: Place,
    radius: float,
    z: float,
    wobble: float,
    *,
    thick: float = 0.0,
) -> tuple[Window, Float[np.ndarray, "height width"]]:
    """Window and signed distance (units) of a round slab with a wavy edge, as the camera sees it.

    Its lower face lies `z` and its upper face `z + thick` units above the ground; the slab's outline is the disc swept
    from the one to the other.
    """
    half = thick / 2 * place.lift
    reach = radius + 3 * wobble + 1
    window = canvas.window(place.x, place.y - z * place.lift - half, reach, reach * place.squash + half)
    dy = np.maximum(np.abs(window.dy) - np.float32(half), 0) * np.float32(1 / place.squash)
    distance = np.sqrt(window.dx * window.dx + dy * dy)
    distance += canvas.noise(rng, "medium", window) * np.float32(wobble) - np.float32(radius)
    return window, distance


def pancakes(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """A stack of one to five browned rounds with pale sides, with syrup, butter or berries."""
    count = int(rng.integers(1, 6))
    radius = place.radius * rng.uniform(0.6, 0.88)
    thick = rng.uniform(1.4, 2.6)
    brown, pale = between(rng, "c07a30", "9a5a22", 0.08), between(rng, "f0cf90", "e3b870", 0.05)
    z = 0.0
    here = place
    for _ in range(count):
        here = place.moved(rng.normal(0, 0.05 * radius), rng.normal(0, 0.05 * radius), radius)
        size = radius * rng.normal(1, 0.04)
        # The pale side, seen where the camera slants.
        window, distance = disc(canvas, rng, here, size, z, 0.35, thick=thick * 0.9)
        canvas.paint(window, canvas.inside(distance), pale, height=place.floor + z + thick * 0.7, gloss=0.0, food=food)
        z += thick
        window, distance = disc(canvas, rng, here, size * 0.985, z, 0.35)
        patch = canvas.noise(rng, "medium", window) * np.float32(0.3) + canvas.noise(rng, "fine", window) * np.float32(
            0.18
        )
        rim = np.clip(1 + distance / np.float32(rng.uniform(0.8, 2.0)), 0, 1)
        color = mix(brown, pale, np.clip(rim * 0.9 + patch * np.float32(0.8) + np.float32(0.05), 0, 1))
        height = (
            np.float32(place.floor + z)
            + np.clip(-distance, 0, 1.2) * np.float32(0.6)
            - np.clip(patch, 0, 1) * np.float32(0.2)
        )
        canvas.paint(window, canvas.inside(distance), color, height=height, gloss=0.05, food=food)
    _syrup(canvas, rng, here, radius, z, food)


def _syrup(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, z: float, food: bool) -> None:
    style = rng.random(3)
    if style[0] < 0.55:
        window, distance = disc(canvas, rng, place, radius * rng.uniform(0.4, 0.8), z + 0.5, radius * 0.14)
        alpha = canvas.inside(distance)
        canvas.tint(window, alpha, between(rng, "c88a3a", "8a4a1a", 0.1))
        gloss = canvas.gloss[window.index]
        gloss += alpha * (np.float32(0.9) - gloss)
    if style[1] < 0.45:
        half = np.float32(radius * rng.uniform(0.14, 0.22))
        window = canvas.window(
            place.x + rng.normal(0, 2), place.y - (z + 1) * place.lift + rng.normal(0, 2), float(half) * 2
        )
        along, across = window.rotated(rng.uniform(0, np.pi))
        box = np.maximum(np.abs(along), np.abs(across)) - half
        height = np.float32(place.floor + z + 1) + np.clip(-box, 0, 1)
        canvas.paint(
            window, canvas.inside(box, soft=0.4), vary(rng, "f6dd84", 0.04), height=height, gloss=0.4, food=food
        )
    elif style[2] < 0.6:
        count = int(rng.integers(3, 9))
        x, y = scatter(rng, count, radius * 0.5, spread=0.8)
        size = rng.uniform(1.6, 2.4)
        hits = capsules(canvas, place, (x, y, np.full(count, z + 0.5)), np.zeros(count), size, size)
        berry = vary(rng, ("3a4478", "b8203a")[rng.integers(2)], 0.1)
        canvas.put(hits, many(rng, berry, count, 0.1)[hits.instance], gloss=0.3, food=food)


def burger(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """Bun, patty, cheese and lettuce under a domed bun with sesame; from above little but the bun shows."""
    radius = place.radius * rng.uniform(0.55, 0.8)
    crumb = between(rng, "d99a4a", "b06a26", 0.08)
    z = 0.0
    layers: list[tuple[object, float, float, float, float]] = [(crumb * np.float32(1.1), 1.0, 2.2, 0.15, 0.05)]
    leaf = (between(rng, "7fb53a", "4f8a2a", 0.1), rng.uniform(1.02, 1.15), 0.8, 1.1, 0.2)
    patty = (between(rng, "5a3018", "40200f", 0.1), rng.uniform(0.98, 1.06), 2.4, 0.5, 0.15)
    cheese = (between(rng, "f5b52a", "f0c860", 0.05), rng.uniform(1.0, 1.1), 0.7, 0.8, 0.3)
    tomato = (between(rng, "d0341e", "b02818", 0.06), rng.uniform(0.92, 1.02), 0.9, 0.2, 0.5)
    middle = [patty, cheese, leaf, tomato]
    rng.shuffle(middle)
    layers += middle[: int(rng.integers(2, 5))]
    for color, scale, thick, wobble, gloss in layers:
        window, distance = disc(canvas, rng, place, radius * scale, z, wobble, thick=thick)
        tone = 1 + np.float32(0.12) * canvas.noise(rng, "fine", window)
        canvas.paint(
            window,
            canvas.inside(distance),
            np.asarray(color)[:, None, None] * tone,
            height=np.float32(place.floor + z + thick) + np.clip(-distance, 0, 0.8),
            gloss=gloss,
            food=food,
        )
        z += thick
    tall = radius * rng.uniform(0.35, 0.6)
    # The dome's outline: a slab for its steep foot; the cap over it is shaded as a whole.
    window, distance = disc(canvas, rng, place, radius, z, 0.12, thick=tall * 0.35)
    canvas.paint(
        window,
        canvas.inside(distance),
        crumb * np.float32(0.8),
        height=place.floor + z + tall * 0.3,
        gloss=0.1,
        food=food,
    )
    window, distance = disc(canvas, rng, place, radius * 0.99, z + tall * 0.3, 0.12)
    share = np.clip(1 + distance * np.float32(1 / radius), 0, 1)
    toast = np.clip(np.float32(0.8) - share + np.float32(0.12) * canvas.noise(rng, "medium", window), 0, 1)
    cap = mix(crumb * np.float32(1.15), crumb * np.float32(0.6), toast * np.float32(rng.uniform(0.5, 1)))
    height = np.float32(place.floor + z) + np.sqrt(np.maximum(0, 1 - share**2)) * np.float32(tall)
    canvas.paint(window, canvas.inside(distance), cap, height=height, gloss=float(rng.uniform(0.1, 0.6)), food=food)
    if rng.random() < 0.7:
        count = int(rng.integers(14, 60))
        x, y = scatter(rng, count, radius * 0.72, spread=0.8)
        top = z + tall * (0.25 + np.sqrt(np.maximum(0, 1 - (x**2 + y**2) / radius**2)) * 0.8)
        hits = capsules(canvas, place, (x, y, top), rng.uniform(0, np.pi, count), 0.95, 0.55, flat=0.7)
        seed = linear("f3e2b8") if rng.random() < 0.85 else linear("2a2622")
        canvas.put(hits, many(rng, seed, count, 0.06)[hits.instance], gloss=0.1, food=food)
