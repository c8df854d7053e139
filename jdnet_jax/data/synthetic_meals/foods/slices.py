"""Round slices: carrots."""

from __future__ import annotations

import numpy as np

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, many
from jdnet_jax.data.synthetic_meals.place import Place, scatter


def carrot_slices(canvas: Canvas, rng: np.random.Generator, place: Place, food: bool) -> None:
    """Overlapping, slightly tilted orange discs with a paler core and rays."""
    size = rng.uniform(3.2, 6.0)
    radius = place.radius * rng.uniform(0.55, 0.9)
    count = int(np.clip(1.5 * (radius / size) ** 2, 4, 34))
    ground_x, ground_y = scatter(rng, count, max(radius - size * 0.6, size), spread=0.4, clump=rng.uniform(0, 0.3))
    z = rng.uniform(0, 0.6, count) + np.arange(count)[::-1] * 0.25
    x, y = place.project(ground_x, ground_y, z * 0.3)
    sizes = (size * rng.normal(1, 0.12, count).clip(0.7, 1.3)).astype(np.float32)[:, None, None]
    turn = rng.uniform(0, np.pi, count).astype(np.float32)
    cos, sin = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
    # A slice cut at a slant or leaning on its neighbour is an ellipse.
    narrow = (place.squash * rng.uniform(0.72, 1.0, count)).astype(np.float32)[:, None, None]
    tilt = rng.uniform(-0.35, 0.35, count).astype(np.float32)[:, None, None]
    shares: list[np.ndarray] = []

    def profile(dx, dy):
        along, across = dx * cos + dy * sin, (dy * cos - dx * sin) / narrow
        share = (along * along + across * across) / (sizes * sizes)
        shares.append(share)
        # A flat top with a rounded edge, leaning by `tilt`.
        return (share < 1) * (1.4 + tilt * along * np.float32(0.6) - np.float32(0.5) * (share * share) ** 2).clip(0.05)

    hits = canvas.splat(x, y, z + place.floor, float(sizes.max()) + 0.3, profile)
    share = np.sqrt(shares[0].ravel()[hits.sample])
    base = between(rng, "f08a24", "e06a1c", 0.08)
    core = between(rng, "f8b04a", "f09a3a", 0.06)
    paint = many(rng, base, count, 0.08)[hits.instance]
    inner = np.clip((0.52 - share) * 8, 0, 1)[:, None]
    ring = np.exp(-(((share - 0.55) / 0.06) ** 2))[:, None]
    paint = paint + (core - paint) * (inner * np.float32(rng.uniform(0.4, 1.0)))
    paint *= 1 - np.float32(0.25) * ring - np.float32(0.2) * np.clip((share[:, None] - 0.88) * 8, 0, 1)
    canvas.put(hits, paint.astype(np.float32), gloss=float(rng.uniform(0.1, 0.6)), food=food)
