"""Green salad."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, many
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def salad(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """Overlapping ruffled leaves with veins, and tomato, cucumber, onion or carrot among them."""
    radius = place.radius * rng.uniform(0.65, 0.95)
    leaves(canvas, rng, place, radius, int(rng.integers(12, 24)), food)
    for kind in rng.permutation(3)[: int(rng.integers(0, 4))]:
        _pieces(canvas, rng, place, radius, int(kind), food)
    leaves(canvas, rng, place, radius * 0.7, int(rng.integers(2, 6)), food, lift=4.0)


def leaves(
    canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, count: int, food: bool, lift: float = 0.0
) -> None:
    """Splats leaves of one kind: oval, ruffled, with a paler rib."""
    size = radius * rng.uniform(0.26, 0.4)
    ground_x, ground_y = scatter(rng, count, max(radius - size * 0.7, 1.0), spread=0.7)
    z = lift + rng.uniform(0, 2.5, count)
    x, y = place.project(ground_x, ground_y, z)
    turn = rng.uniform(0, 2 * np.pi, count).astype(np.float32)[:, None, None]
    narrow = rng.uniform(0.45, 0.9, count).astype(np.float32)[:, None, None]
    ruffles = int(rng.integers(4, 9))
    deep = np.float32(rng.uniform(0.03, 0.16))
    phase = rng.uniform(0, 6, count).astype(np.float32)[:, None, None]
    tilt = rng.normal(0, 0.15, (2, count, 1, 1)).astype(np.float32)
    cos, sin = np.cos(turn), np.sin(turn)
    saved: list[np.ndarray] = []

    def profile(dx, dy):
        along, across = (dx * cos + dy * sin) / np.float32(size), (dy * cos - dx * sin) / (narrow * np.float32(size))
        square = along * along + across * across
        # cos of a multiple of a cheap stand-in for the angle makes the ruffled edge.
        wave = np.sin(np.float32(ruffles) * (along - across * np.sign(along + 0.1)) * 2 + phase)
        saved.extend((across, square, wave))
        curl = np.float32(1.2) + square * (np.float32(0.8) + wave * np.float32(0.9)) + tilt[0] * dx + tilt[1] * dy
        curl -= np.float32(0.4) * (np.abs(across) < 0.07)
        return (square < 1 - deep * (1 + wave)) * np.maximum(curl, np.float32(0.05))

    hits = canvas.splat(x, y, z + place.floor, size + 0.5, profile)
    across, square, wave = (field.ravel()[hits.sample] for field in saved)
    kind = rng.random()
    if kind < 0.75:
        base = between(rng, "8fc24a", "3f7a2c", 0.12)
    elif kind < 0.9:
        base = between(rng, "cfe08a", "a9c85a", 0.08)
    else:
        base = between(rng, "7a2f4a", "5a3a3a", 0.12)
    color = many(rng, base, count, 0.2)[hits.instance]
    color = color * (np.float32(0.75) + np.float32(0.35) * square + np.float32(0.12) * wave)[:, None]
    rib = (np.abs(across) < 0.09)[:, None] * np.float32(0.55)
    color = color + rib * (linear("dbe8a8") - color)
    canvas.put(hits, color.astype(np.float32), gloss=float(rng.uniform(0.05, 0.35)), food=food)


def _pieces(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, kind: int, food: bool) -> None:
    """Cherry tomatoes (0), cucumber slices (1) or onion rings (2)."""
    count = int(rng.integers(2, 7))
    size = (rng.uniform(2.4, 3.6), rng.uniform(3.0, 4.4), rng.uniform(2.6, 4.2))[kind]
    ground_x, ground_y = scatter(rng, count, radius * 0.75, spread=0.9)
    z = rng.uniform(2.0, 4.0, count)
    x, y = place.project(ground_x, ground_y, z)
    narrow = rng.uniform(0.65, 1.0, count).astype(np.float32)[:, None, None]
    turn = rng.uniform(0, np.pi, count).astype(np.float32)[:, None, None]
    cos, sin = np.cos(turn), np.sin(turn)
    shares: list[np.ndarray] = []

    def profile(dx, dy):
        along, across = dx * cos + dy * sin, (dy * cos - dx * sin) / narrow
        share = (along * along + across * across) / np.float32(size * size)
        shares.append(share)
        if kind == 0:
            return np.sqrt(np.maximum(0, 1 - share)) * np.float32(size * 0.8)
        ring = share > 0.6 if kind == 2 else True
        return (share < 1) * ring * np.float32(0.9)

    hits = canvas.splat(x, y, z + place.floor, float(size) + 0.3, profile)
    share = shares[0].ravel()[hits.sample][:, None]
    if kind == 0:
        color = many(rng, between(rng, "d8321e", "c02414", 0.08), count, 0.1)[hits.instance]
    elif kind == 1:
        color = np.where(share > 0.8, linear("3a6e2a"), np.where(share < 0.3, linear("d8e8a8"), linear("b9d67f")))
    else:
        color = np.where(share > 0.85, linear("8a3a6a"), linear("f0e4ee"))
    canvas.put(hits, color.astype(np.float32), gloss=0.6 if kind == 0 else 0.25, food=food)
