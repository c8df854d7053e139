"""The red sauce: one generator for ketchup and for chili paste, which only their surroundings tell apart."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, mix
from jdnet_jax.data.synthetic_meals.place import Place


def sauce(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """A glossy red blob: a few merged drops, a swirl or a smear, smooth or with flakes and seeds."""
    radius = place.radius
    window = canvas.window(place.x, place.y, radius * 1.7)
    dy = window.dy / np.float32(place.squash)
    distance = np.full(window.shape, np.float32(1e3))
    drops = int(rng.integers(1, 5))
    for drop in range(drops):
        size = radius * (rng.uniform(0.6, 0.8) if drop == 0 else rng.uniform(0.3, 0.55))
        angle, away = rng.uniform(0, 2 * np.pi), 0.0 if drop == 0 else radius * rng.uniform(0.35, 0.7)
        x, y = np.float32(away * np.cos(angle)), np.float32(away * np.sin(angle))
        other = np.sqrt((window.dx - x) ** 2 + (dy - y) ** 2) - np.float32(size)
        # Polynomial smooth minimum: drops flow into each other.
        blend = np.maximum(0, np.float32(3) - np.abs(distance - other)) / np.float32(3)
        distance = np.minimum(distance, other) - blend * blend * np.float32(0.75)
    distance += canvas.noise(rng, "medium", window) * np.float32(0.05 * radius)
    deep = np.clip(-distance / np.float32(radius * 0.6), 0, 1)
    coarse = rng.random()
    lumps = canvas.noise(rng, "fine", window)
    swirl = np.sin(distance * np.float32(rng.uniform(1.0, 2.2))) * np.float32(rng.integers(2) * 0.25)
    red = between(rng, "b81a0e", "8f1208", 0.1) if rng.random() < 0.6 else between(rng, "c8301a", "a02a12", 0.1)
    tone = np.clip(np.float32(0.25) + np.float32(0.25 * coarse) * lumps + np.float32(0.3) * (1 - deep), 0, 1)
    color = mix(red, red * np.float32(0.5), tone)
    if coarse > 0.5:
        flakes = canvas.noise(rng, "grain", window)
        color = color + (flakes > 1.7) * np.float32(0.6) * (linear("e8a04a")[:, None, None] - color)
        color = color * (1 - np.float32(0.5) * (flakes < -1.7))
    height = np.float32(place.floor + 0.3) + np.sqrt(deep) * np.float32(rng.uniform(1.2, 2.6)) + swirl
    height += lumps * np.float32(0.3 * coarse)
    gloss = float(rng.uniform(0.3, 1.0))
    canvas.paint(window, canvas.inside(distance), color, height=height, gloss=gloss, food=food)
