"""Fried egg."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, mix, vary
from jdnet_jax.data.synthetic_meals.place import Place


def fried_egg(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """An irregular white, browned at its edge, with one or two yolks anywhere in it."""
    radius = place.radius * rng.uniform(0.6, 0.95)
    window = canvas.window(place.x, place.y, radius * 1.5)
    along, _ = window.rotated(rng.uniform(0, np.pi))
    stretch = np.float32(rng.uniform(1.0, 1.35))
    ground = np.sqrt((window.dx) ** 2 + (window.dy / np.float32(place.squash)) ** 2)
    wobble = canvas.noise(rng, "coarse", window) * np.float32(radius * rng.uniform(0.08, 0.24))
    ruffle = canvas.noise(rng, "medium", window)
    distance = ground * (1 + (stretch - 1) * np.abs(along) / (ground + 1)) + wobble
    distance += ruffle * np.float32(radius * rng.uniform(0.03, 0.09)) - np.float32(radius)
    crisp = np.clip(1 + distance / np.float32(rng.uniform(1.0, 4.0)), 0, 1)
    crisp *= np.clip(0.5 + 0.6 * ruffle, 0, 1) * np.float32(rng.uniform(0.0, 1.0))
    white = mix(vary(rng, "f4f1e8", 0.04), between(rng, "b5762e", "6d3d18", 0.1), crisp)
    dome = np.clip(-distance / np.float32(radius * 0.5), 0, 1)
    bubbles = canvas.noise(rng, "fine", window) * np.float32(0.16)
    height = np.float32(place.floor + 0.5) + np.sqrt(dome) * np.float32(1.3) + bubbles + ruffle * np.float32(0.12)
    canvas.paint(window, canvas.inside(distance), white, height=height, gloss=float(rng.uniform(0.2, 0.6)), food=food)

    yolks = 1 if rng.random() < 0.8 else 2
    turn = rng.uniform(0, 2 * np.pi)
    tone = between(rng, "f7b21c", "ee8a12", 0.06) if rng.random() < 0.8 else between(rng, "f3d04a", "f5c63a", 0.05)
    cooked = rng.random() * 0.45
    for number in range(yolks):
        size = radius * rng.uniform(0.3, 0.42) / (1 if yolks == 1 else 1.2)
        off = radius * (rng.uniform(0, 0.3) if yolks == 1 else 0.38)
        angle = turn + number * np.pi
        x, y = place.x + off * np.cos(angle), place.y + off * np.sin(angle) * place.squash
        yolk = canvas.window(x, y, size * 1.5)
        span = np.sqrt(yolk.dx**2 + (yolk.dy / np.float32(0.5 + 0.5 * place.squash)) ** 2)
        span += canvas.noise(rng, "medium", yolk) * np.float32(0.04 * size)
        share = span * np.float32(1 / size)
        color = mix(
            tone, linear("f3e3b0"), np.clip((share - 0.75) * 2, 0, 1) * np.float32(0.5) + np.float32(cooked * 0.6)
        )
        rise = np.sqrt(np.maximum(0, 1 - share**2)) * np.float32(size * 0.55)
        canvas.paint(
            yolk,
            canvas.inside(span - np.float32(size)),
            color,
            height=np.float32(place.floor + 1.6) + rise,
            gloss=float(rng.uniform(0.3, 1.0)),
            food=food,
        )
    if rng.random() < 0.5:
        count = int(rng.integers(8, 40))
        x, y = rng.normal(0, radius * 0.5, (2, count))
        speck = canvas.splat(
            place.x + x,
            place.y + y * place.squash,
            np.full(count, place.floor + 6.0),
            0.5,
            lambda dx, dy: np.float32(0.16) - dx * dx - dy * dy,
        )
        # Pepper lies on the egg and moves neither its shape nor its label.
        on_food = canvas.cover.ravel()[speck.pixel] > 0.5
        for channel in range(3):
            canvas.albedo[channel].ravel()[speck.pixel[on_food]] *= 0.15
