"""Heaps of many small pieces: rice and peas."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jdnet_jax.data.synthetic_meals.canvas import Canvas, Hits
from jdnet_jax.data.synthetic_meals.color import between, many, vary
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def capsules(
    canvas: Canvas,
    place: Place,
    ground: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]],
    angle: Float[np.ndarray, " n"],
    length: Float[np.ndarray, " n"] | float,
    width: Float[np.ndarray, " n"] | float,
    *,
    flat: float = 1.0,
) -> Hits:
    """Splats lying capsules (rods with round ends) of half-length `length` and half-width `width` at ground points.

    `flat` scales their height: 1 is round, small is flat like a strip.
    """
    x, y = place.project(*ground)
    cos, sin = (v.astype(np.float32)[:, None, None] for v in (np.cos(angle), np.sin(angle)))
    straight = (
        np.broadcast_to(np.float32(length), x.shape)[:, None, None]
        - np.broadcast_to(np.float32(width), x.shape)[:, None, None]
    )
    radius = np.broadcast_to(np.float32(width), x.shape)[:, None, None]

    def profile(dx, dy):
        along = np.abs(dx * cos + dy * sin)
        along -= straight
        np.maximum(along, 0, out=along)
        across = dy * cos - dx * sin
        along *= along
        across *= across
        along += across
        np.subtract(radius * radius, along, out=along)
        np.maximum(along, 0, out=along)
        np.sqrt(along, out=along)
        along *= np.float32(flat)
        return along

    return canvas.splat(x, y, ground[2] + place.floor, float(np.max(length)), profile)


def heap(
    canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, tall: float, color, *, food: bool
) -> None:
    """Dark ground of a heap, so that no plate shines through between its pieces."""
    window = canvas.window(place.x, place.y - tall * place.lift * 0.4, radius * 1.3)
    distance = np.sqrt(window.dx**2 + (window.dy / np.float32(place.squash)) ** 2)
    distance += canvas.noise(rng, "medium", window) * np.float32(0.05 * radius)
    dome = np.maximum(0, 1 - (distance / np.float32(radius)) ** 2)
    canvas.paint(
        window,
        canvas.inside(distance - np.float32(radius * 0.9)),
        color,
        height=np.float32(place.floor) + dome * np.float32(tall),
        gloss=0.0,
        food=food,
    )


def rice(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """A mound of grains: white, brown, saffron or tomato-red; loose or pressed into a dome."""
    kind = rng.random()
    if kind < 0.6:
        base = between(rng, "f2eee4", "e2d9c4", 0.03)
    elif kind < 0.75:
        base = between(rng, "c9a878", "a9865a", 0.08)
    elif kind < 0.9:
        base = between(rng, "f0cf5a", "e0b040", 0.06)
    else:
        base = between(rng, "e08a4a", "cf6a3a", 0.08)
    radius = place.radius * rng.uniform(0.6, 0.95)
    tall = radius * rng.uniform(0.15, 0.5)
    length, width = rng.uniform(1.3, 2.0), rng.uniform(0.5, 0.75)
    heap(canvas, rng, place, radius, tall, base * np.float32(0.7), food=food)
    count = int(min(420, 1.5 * np.pi * radius**2 / (4 * length * width)))
    x, y = scatter(rng, count, radius, clump=rng.uniform(0, 0.2))
    z = tall * np.maximum(0, 1 - (x**2 + y**2) / radius**2) + rng.uniform(-0.2, 0.5, count)
    hits = capsules(canvas, place, (x, y, z), rng.uniform(0, np.pi, count), length, width)
    colors = many(rng, base, count, 0.07)
    canvas.put(hits, colors[hits.instance], gloss=float(rng.uniform(0.05, 0.3)), food=food)
    if rng.random() < 0.35:
        garnish(canvas, rng, place, radius * 0.6, tall)


def garnish(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, tall: float) -> None:
    """Chopped herbs or sesame; not food of the label."""
    count = int(rng.integers(6, 22))
    x, y = scatter(rng, count, radius, spread=1.2)
    z = tall * np.maximum(0, 1 - (x**2 + y**2) / (radius / 0.6) ** 2) + 0.9
    base = vary(rng, ("3f7a2c", "2b2320", "c0392b")[rng.integers(3)], 0.15)
    hits = capsules(canvas, place, (x, y, z), rng.uniform(0, np.pi, count), rng.uniform(0.7, 1.3), 0.45, flat=0.4)
    canvas.put(hits, many(rng, base, count, 0.15)[hits.instance], gloss=0.1, food=False)


def peas(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """Green balls in one or two layers, some wrinkled, dull or buttery."""
    base = between(rng, "8fc241", "55862c", 0.12)
    size = rng.uniform(1.5, 2.7)
    radius = place.radius * rng.uniform(0.5, 0.92)
    count = int(min(150, 1.15 * (radius / size) ** 2 + 3))
    tall = size * rng.uniform(0.2, 1.5)
    x, y = scatter(rng, count, radius, spread=rng.uniform(0.2, 0.7), clump=rng.uniform(0, 0.35))
    z = tall * np.maximum(0, 1 - (x**2 + y**2) / radius**2) + rng.uniform(0, 0.3, count)
    sizes = size * rng.normal(1, 0.08, count).clip(0.8, 1.2)
    hits = capsules(canvas, place, (x, y, z), np.zeros(count), sizes, sizes)
    colors = many(rng, base, count, 0.12)
    canvas.put(hits, colors[hits.instance], gloss=float(rng.uniform(0.1, 0.8)), food=food)
