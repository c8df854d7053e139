"""Spaghetti."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, many, mix
from jdnet_jax.data.synthetic_meals.foods.grains import capsules, heap
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def spaghetti(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """A nest of strands under tomato, meat, cream or herb sauce, sometimes with basil or cheese."""
    radius = place.radius * rng.uniform(0.65, 0.95)
    tall = radius * rng.uniform(0.12, 0.35)
    base = between(rng, "f0d38a", "e3b95e", 0.06)
    heap(canvas, rng, place, radius, tall, base * np.float32(0.5), food=food)
    strands, points = int(rng.integers(18, 30)), 46
    t = np.linspace(-1, 1, points)
    # Each strand is an arc of a large circle around a point near the nest's middle.
    bend = rng.uniform(0.25, 0.95, strands)[:, None] * radius
    sweep = rng.uniform(0.8, 2.4, strands)[:, None]
    start = rng.uniform(0, 2 * np.pi, strands)[:, None]
    off = rng.normal(0, 0.22 * radius, (2, strands, 1))
    wave = rng.normal(0, 0.05, (strands, 1)) * radius * np.sin(3 * t + start)
    x = off[0] + (bend + wave) * np.cos(start + sweep * t)
    y = off[1] + (bend + wave) * np.sin(start + sweep * t)
    distance = np.sqrt(x**2 + y**2)
    shrink = np.minimum(1, radius / np.maximum(distance, 1e-6))
    x, y = x * shrink, y * shrink
    z = (
        tall * (1 - (np.minimum(distance, radius) / radius) ** 2)
        + rng.uniform(0, 1.2, (strands, 1))
        + 0.25 * np.sin(2.5 * t + start)
    )
    width = rng.uniform(0.75, 1.15)
    hits = capsules(
        canvas, place, (x.ravel(), y.ravel(), np.maximum(z, 0).ravel()), np.zeros(strands * points), width, width
    )
    colors = many(rng, base, strands, 0.06)
    canvas.put(hits, colors[hits.instance // points], gloss=float(rng.uniform(0.1, 0.5)), food=food)
    _sauce(canvas, rng, place, radius, tall, food)


def _sauce(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, tall: float, food: bool) -> None:
    kind = rng.random()
    window = canvas.window(place.x, place.y - tall * place.lift * 0.7, radius * 1.15)
    lumps = canvas.noise(rng, "fine", window)
    distance = np.sqrt(window.dx**2 + (window.dy / np.float32(place.squash)) ** 2)
    distance += canvas.noise(rng, "medium", window) * np.float32(radius * 0.16)
    size = radius * rng.uniform(0.35, 0.75)
    on_food = np.clip(canvas.cover[window.index] * 2 - 1, 0, 1) if food else np.float32(1)
    if kind < 0.6:
        color = between(rng, "c8321a", "a32412", 0.08)
    elif kind < 0.8:
        color = between(rng, "8a4626", "6a2e18", 0.1)
    elif kind < 0.9:
        color = between(rng, "5f8a2a", "44701e", 0.1)
    else:
        color = between(rng, "f0e2c0", "e8d6aa", 0.04)
    # A thin wash of sauce far out, then the thick part in the middle.
    canvas.tint(
        window, canvas.inside(distance - np.float32(size * 1.5), soft=4.0) * np.float32(rng.uniform(0.1, 0.6)), color
    )
    alpha = canvas.inside(distance - np.float32(size), soft=0.8) * on_food
    alpha *= np.clip(np.float32(0.85) + np.float32(0.5) * lumps, 0.25, 1)
    height = canvas.height[window.index] + np.float32(0.7) + np.float32(0.35) * lumps
    canvas.paint(
        window,
        alpha,
        mix(color, color * np.float32(0.55), np.clip(lumps * 0.5 + 0.3, 0, 1)),
        height=height,
        gloss=float(rng.uniform(0.15, 0.5)),
        food=None,
    )
    if rng.random() < 0.5:
        count = int(rng.integers(10, 50))
        x, y = scatter(rng, count, size * 1.1, spread=1.0)
        shade = ("f6ecc8", "3f7f30")[rng.integers(2)]
        hits = capsules(
            canvas, place, (x, y, np.full(count, tall + 3.0)), rng.uniform(0, np.pi, count), 0.9, 0.4, flat=0.5
        )
        canvas.put(hits, many(rng, between(rng, shade, shade), count, 0.1)[hits.instance], gloss=0.05, food=food)
