"""Pizza slice."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, many, mix, vary
from jdnet_jax.data.synthetic_meals.place import Place


def pizza_slice(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """A sector with a puffed crust, molten cheese over tomato, and one of several toppings."""
    length = place.radius * rng.uniform(1.35, 1.8)
    angle = rng.uniform(0, 2 * np.pi)
    half_angle = rng.uniform(0.26, 0.46)
    # The tip lies opposite the crust; the sector's middle lies in the place's middle.
    tip_x = place.x - np.cos(angle) * length * 0.55
    tip_y = place.y - np.sin(angle) * length * 0.55 * place.squash
    reach = length * 0.75 + 3
    window = canvas.window(place.x, place.y, reach)
    dx = window.dx + np.float32(place.x - tip_x)
    dy = (window.dy + np.float32(place.y - tip_y)) / np.float32(place.squash)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = dx * cos + dy * sin, np.abs(dy * cos - dx * sin)
    edge = canvas.noise(rng, "medium", window) * np.float32(0.35)
    side = across * np.float32(np.cos(half_angle)) - along * np.float32(np.sin(half_angle)) + edge
    span = np.sqrt(along * along + across * across)
    rim = length * rng.uniform(0.1, 0.17)
    distance = np.maximum(side, span - np.float32(length) + edge)
    crusty = np.clip((span - np.float32(length - rim) + edge) * 1.5, 0, 1)
    cheese = canvas.noise(rng, "medium", window) + np.float32(0.5) * canvas.noise(rng, "fine", window)
    share = np.clip(np.float32(0.5 + rng.normal(0, 0.35)) + np.float32(0.6) * cheese, 0, 1)
    topping = mix(between(rng, "c23a1c", "a82a14", 0.08), between(rng, "f4d58a", "eec060", 0.06), share)
    blister = np.clip(canvas.noise(rng, "medium", window) - 1.1, 0, 1) * np.float32(rng.uniform(0, 0.9))
    topping *= 1 - np.float32(0.6) * blister
    char = np.clip(np.float32(0.35) + np.float32(0.4) * canvas.noise(rng, "medium", window), 0, 1)
    crust = mix(
        between(rng, "e3b36a", "d09848", 0.06),
        between(rng, "8a5220", "5a3010", 0.1),
        char * np.float32(rng.uniform(0.3, 0.9)),
    )
    color = topping + crusty * (crust - topping)
    puff = np.sin(np.clip((span - np.float32(length - rim)) / np.float32(rim), 0, 1) * np.float32(np.pi))
    height = np.float32(place.floor + 1.2) + np.float32(0.22) * cheese + puff * np.float32(1.8) * crusty
    height += np.clip(-distance, 0, 0.8)
    gloss = np.float32(rng.uniform(0.1, 0.45)) * (1 - crusty)
    canvas.paint(window, canvas.inside(distance), color, height=height, gloss=gloss, food=food)
    _toppings(canvas, rng, place, (tip_x, tip_y), angle, half_angle, length - rim, food)


def _toppings(canvas: Canvas, rng: np.random.Generator, place, tip, angle, half_angle, length, food) -> None:
    """Pepperoni, olives, basil or mushrooms inside the sector."""
    kind = rng.integers(5)
    if kind == 0:
        return  # margherita
    code, size, number = (
        ("b0301c", rng.uniform(2.4, 3.8), rng.integers(3, 8)),
        ("2c2a2e", rng.uniform(1.3, 1.9), rng.integers(4, 10)),
        ("3f8a34", rng.uniform(1.8, 3.0), rng.integers(2, 6)),
        ("cdb594", rng.uniform(1.8, 2.8), rng.integers(4, 8)),
    )[kind - 1]
    count = int(number)
    away = length * np.sqrt(rng.uniform(0.12, 0.95, count)) - size * 0.5
    slant = rng.uniform(-0.75, 0.75, count) * half_angle + angle
    x = tip[0] + away * np.cos(slant)
    y = tip[1] + away * np.sin(slant) * place.squash
    flat = np.float32(place.squash)
    stretch = np.float32(1.0 if kind < 3 else 1.6)
    turn = rng.uniform(0, np.pi, count).astype(np.float32)[:, None, None]
    shares: list[np.ndarray] = []

    def profile(dx, dy):
        along = dx * np.cos(turn) + dy / flat * np.sin(turn)
        across = (dy / flat * np.cos(turn) - dx * np.sin(turn)) * stretch
        share = (along * along + across * across) / np.float32(size * size)
        shares.append(share)
        hole = share > 0.16 if kind == 2 else True
        return (share < 1) * hole * (np.float32(0.5) + np.float32(0.5) * np.sqrt(np.maximum(0, 1 - share)))

    hits = canvas.splat(x, y, np.full(count, place.floor + 2.0), float(size) + 0.4, profile)
    share = shares[0].ravel()[hits.sample]
    color = many(rng, vary(rng, code, 0.1), count, 0.1)[hits.instance]
    color = color * (1 - np.float32(0.35) * (share > 0.72))[:, None]
    if kind == 1:
        fat = canvas.noise(rng, "grain", canvas.everything()).ravel()[hits.pixel] > 1.1
        color = np.where(fat[:, None], linear("e08a5a"), color)
    canvas.put(hits, color.astype(np.float32), gloss=float(rng.uniform(0.1, 0.5)), food=food)
