"""Salmon nigiri."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, mix, vary
from jdnet_jax.data.synthetic_meals.place import Place


def salmon_nigiri(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """One to four pressed rice blocks, each under a slab of salmon with fat lines, some with a nori belt."""
    count = (1, 2, 2, 3, 4)[rng.integers(5)]
    length = place.radius * (rng.uniform(0.62, 0.8) if count < 2 else rng.uniform(0.5, 0.64))
    width = length * rng.uniform(0.42, 0.52)
    angle = rng.uniform(0, np.pi)
    belt = rng.random() < 0.25
    flesh = between(rng, "f28a5a", "e8663a", 0.08)
    gap = width * rng.uniform(2.15, 2.6)
    order = (np.arange(count) - (count - 1) / 2) * gap
    offsets = sorted((-np.sin(angle) * o, np.cos(angle) * o) for o in order)
    for off_x, off_y in sorted(offsets, key=lambda o: o[1]):
        _piece(
            canvas,
            rng,
            place.moved(off_x, off_y, length),
            angle + rng.normal(0, 0.08),
            length,
            width,
            flesh,
            belt,
            food,
        )


def _piece(canvas, rng, place, angle, length, width, flesh, belt, food) -> None:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))

    def block(z: float, half_length: float, half_width: float):
        """Window and signed distance of a rounded box whose middle is `z` above the ground."""
        window = canvas.slanted(
            place.x, place.y - z * place.lift, angle, half_length * 1.1 + 1, half_width * 1.1 + 1, place.squash
        )
        dy = window.dy / np.float32(place.squash)
        along, across = window.dx * cos + dy * sin, dy * cos - window.dx * sin
        corner = np.float32(half_width * 0.8)
        qx = np.abs(along) - np.float32(half_length) + corner
        qy = np.abs(across) - np.float32(half_width) + corner
        distance = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2) + np.minimum(np.maximum(qx, qy), 0) - corner
        return window, along, across, distance

    window, _, _, distance = block(0.0, length * 0.9, width * 0.86)
    grains = canvas.noise(rng, "grain", window)
    distance = distance + np.float32(0.3) * grains
    canvas.paint(
        window,
        canvas.inside(distance),
        mix(vary(rng, "f1ede2", 0.03), linear("cfc6b2"), np.clip(grains * 0.4 + 0.2, 0, 1)),
        height=np.float32(place.floor)
        + np.minimum(np.float32(2.6), np.maximum(0, -distance) * 2)
        + np.float32(0.35) * grains,
        gloss=0.1,
        food=food,
    )
    window, along, across, distance = block(
        width * 0.55, length * rng.uniform(0.98, 1.12), width * rng.uniform(0.86, 0.98)
    )
    bend = across * np.float32(rng.uniform(0.3, 0.9)) * np.float32(rng.integers(2) * 2 - 1)
    phase = (along + bend + np.float32(0.5) * canvas.noise(rng, "coarse", window)) * np.float32(
        2 * np.pi / rng.uniform(2.6, 4.2)
    )
    lines = np.clip(np.sin(phase) * 4 - 2.6, 0, 1) * np.float32(rng.uniform(0.4, 0.9))
    color = mix(flesh, linear("fbdcc2"), lines)
    color *= 1 + np.float32(0.06) * canvas.noise(rng, "fine", window)
    drop = np.clip(-distance / np.float32(width * 0.7), 0, 1)
    height = np.float32(place.floor + 1.8) + np.sqrt(drop) * np.float32(2.2) - np.float32(0.12) * lines
    canvas.paint(window, canvas.inside(distance), color, height=height, gloss=float(rng.uniform(0.25, 0.8)), food=food)
    if belt:
        strip = np.maximum(np.abs(along) - np.float32(width * 0.32), np.abs(across) - np.float32(width * 1.02))
        canvas.paint(
            window,
            canvas.inside(strip),
            vary(rng, "1d2420", 0.15),
            height=height + np.float32(0.15),
            gloss=0.15,
            food=food,
        )
