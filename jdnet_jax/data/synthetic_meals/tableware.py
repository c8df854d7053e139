"""Plates, bowls, boards and baskets: what food is served on."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.color import between, linear, mix, vary
from jdnet_jax.data.synthetic_meals.place import Place
from jdnet_jax.data.synthetic_meals.tables import bands

GLAZES = (
    "f2f0ea",
    "f6f4f0",
    "eae4d6",
    "d7dde0",
    "9fb4b8",
    "3d4650",
    "2a2a2c",
    "c9b79c",
    "b8654a",
    "5b7f93",
    "e8c9b8",
    "7d8f6a",
)


def _rounded(
    x: Float[np.ndarray, "height width"], y: Float[np.ndarray, "height width"], square: bool
) -> Float[np.ndarray, "height width"]:
    """Distance from the middle in the norm of power 2 (a circle) or, `square`, 4 (a square with round corners)."""
    x, y = x * x, y * y
    if not square:
        return np.sqrt(x + y)
    return np.sqrt(np.sqrt(x * x + y * y))


def plate(
    canvas: Canvas,
    rng: np.random.Generator,
    place: Place,
    radius: float,
    *,
    glaze: str | None = None,
    deep: float = 0.0,
) -> Place:
    """A plate: a rim that rises, a well, sometimes a coloured ring or speckles; round, oval or square.

    Args:
        canvas: the canvas to draw on.
        rng: random source.
        place: centre and camera.
        radius: outer radius on the ground, units.
        glaze: hex colour; a random one if None.
        deep: 0 for a flat plate up to 1 for a soup bowl.

    Returns:
        The well, for the food.
    """
    style = rng.random(6)
    angle = rng.uniform(0, np.pi)
    long, square = (1.0, False) if style[0] < 0.7 else (1.18, False) if style[0] < 0.85 else (1.0, True)
    reach = radius * (1.25 if square or long > 1 else 1.0)
    window = canvas.window(place.x, place.y, reach, reach * place.squash)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    ground_y = window.dy * np.float32(1 / place.squash)
    along = (window.dx * cos + ground_y * sin) * np.float32(1 / long)
    across = (ground_y * cos - window.dx * sin) * np.float32(long)
    distance = _rounded(along, across, square)
    share = distance * np.float32(1 / radius)
    well = np.float32(rng.uniform(0.6, 0.82)) if deep == 0 else np.float32(rng.uniform(0.84, 0.9))
    rim = np.clip((share - well) / (1 - well), 0, 1)
    rise = rim * np.float32(1.2 + 5 * deep)
    rise += np.exp(-(((share - 0.97) / 0.03) ** 2)) * np.float32(0.35)
    bowl_curve = np.minimum(share, 1) ** 2 * np.float32(4.0 * deep)
    color = vary(rng, glaze or GLAZES[rng.integers(len(GLAZES))] if style[1] < 0.6 else GLAZES[rng.integers(3)], 0.05)
    if glaze is not None:
        color = vary(rng, glaze, 0.05)
    field = np.broadcast_to(color[:, None, None], (3, *window.shape))
    if style[2] < 0.35:
        ring = canvas.inside(np.abs(distance - radius * rng.uniform(0.86, 0.97)) - rng.uniform(0.25, 1.6))
        field = mix(color, between(rng, "2f4f86", "a0522d", 0.2), ring * np.float32(rng.uniform(0.5, 1)))
    elif style[2] < 0.5:
        speckle = canvas.noise(rng, "grain", window) > 1.9
        field = mix(color, linear("6b5a48"), speckle * np.float32(0.7))
    canvas.paint(
        window,
        canvas.inside(distance - np.float32(radius)),
        field,
        height=np.float32(place.floor + 0.4) + rise + bowl_curve,
        gloss=float(rng.uniform(0.15, 0.6)),
    )
    return dataclasses.replace(
        place, radius=radius * float(well) * (0.95 if square else 1 / long), floor=place.floor + 0.4
    )


def bowl(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, *, glaze: str | None = None) -> Place:
    """A deep round bowl seen into: its near wall outside shows below the opening when the camera slants."""
    color = vary(rng, glaze or GLAZES[rng.integers(len(GLAZES))], 0.08)
    depth = radius * 0.55
    rise = depth * place.lift
    window = canvas.window(place.x, place.y + rise * 0.25, radius, radius * place.squash + rise * 0.25)
    window = dataclasses.replace(window, dy=window.dy + np.float32(rise * 0.25))
    foot = np.sqrt(window.dx**2 + ((window.dy - np.float32(rise * 0.5)) / np.float32(place.squash)) ** 2)
    canvas.paint(
        window,
        canvas.inside(foot - np.float32(radius * 0.96)),
        color * np.float32(0.8),
        height=np.float32(place.floor + 2) - foot * np.float32(1 / radius),
        gloss=0.4,
    )
    opening = np.sqrt(window.dx**2 + (window.dy / np.float32(place.squash)) ** 2)
    share = np.minimum(opening * np.float32(1 / radius), 1)
    inner = color if rng.random() < 0.5 else vary(rng, "efece4", 0.05)
    canvas.paint(
        window,
        canvas.inside(opening - np.float32(radius)),
        mix(inner, color, canvas.inside(np.float32(radius * 0.93) - opening)),
        height=np.float32(place.floor + 1.0) + (share * share) ** 2 * np.float32(min(4.5, depth * 0.35)),
        gloss=0.5,
    )
    return dataclasses.replace(place, radius=radius * 0.84, floor=place.floor + 1.2)


def board(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, *, stone: bool = False) -> Place:
    """A rectangular cutting board of wood, or a slab of slate."""
    angle = rng.uniform(-0.5, 0.5)
    half = (np.float32(radius * rng.uniform(1.1, 1.35)), np.float32(radius * rng.uniform(0.85, 1.05)))
    window = canvas.slanted(place.x, place.y, angle, float(half[0]), float(half[1]), place.squash)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    ground_y = window.dy * np.float32(1 / place.squash)
    along, across = window.dx * cos + ground_y * sin, ground_y * cos - window.dx * sin
    corner = np.float32(rng.uniform(0.5, 5))
    qx, qy = np.abs(along) - half[0] + corner, np.abs(across) - half[1] + corner
    distance = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2) + np.minimum(np.maximum(qx, qy), 0) - corner
    if stone:
        tone = np.float32(0.15) * canvas.noise(rng, "fractal", window)
        color = between(rng, "2c2e31", "4a4f52", 0.1)[:, None, None] * (1 + tone)
        relief = np.float32(0.6) * tone
    else:
        grain = np.sin(
            across * np.float32(rng.uniform(0.7, 1.5)) + np.float32(2.2) * canvas.noise(rng, "coarse", window)
        )
        grain += np.float32(0.5) * canvas.noise(rng, "fine", window)
        color = mix(
            between(rng, "d9b27c", "9a6a3c", 0.1),
            between(rng, "a87544", "6a4424", 0.1),
            grain * np.float32(0.15) + np.float32(0.3),
        )
        relief = np.float32(-0.015) * grain
    edge = np.clip(-distance, 0, 1) * np.float32(1.3)
    canvas.paint(window, canvas.inside(distance), color, height=np.float32(place.floor) + edge + relief, gloss=0.05)
    return dataclasses.replace(place, radius=float(half[1]) * 0.92, floor=place.floor + 1.3)


def basket(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float) -> Place:
    """A plastic diner basket lined with checked paper."""
    window = canvas.window(place.x, place.y, radius * 1.35, radius * 1.3 * place.squash)
    angle = rng.uniform(-0.6, 0.6)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    ground_y = window.dy * np.float32(1 / place.squash)
    along, across = window.dx * cos + ground_y * sin, ground_y * cos - window.dx * sin
    distance = _rounded(along / np.float32(1.2), across, True)
    share = distance * np.float32(1 / radius)
    ridges = np.sin(along * np.float32(2.6)) * np.sin(across * np.float32(2.6))
    color = between(rng, "b3231e", "7a1512", 0.1) if rng.random() < 0.7 else between(rng, "2a2a2a", "3c5a3c", 0.1)
    canvas.paint(
        window,
        canvas.inside(distance - np.float32(radius)),
        color[:, None, None] * (1 + np.float32(0.35) * ridges),
        height=np.float32(place.floor) + np.clip((share - 0.75) * 12, 0, 3),
        gloss=0.4,
    )
    crumple = canvas.noise(rng, "medium", window)
    checks = bands(along, 6, 3) + bands(across, 6, 3)
    ink = linear("c9302c") if rng.random() < 0.7 else linear("cfc4a8")
    paper = distance + crumple * np.float32(0.9) - np.float32(radius * 0.9)
    canvas.paint(
        window,
        canvas.inside(paper),
        mix(vary(rng, "f0ece2", 0.03), ink, checks * np.float32(0.45)),
        height=np.float32(place.floor + 1) + np.float32(0.3) * crumple + np.clip((share - 0.6) * 5, 0, 2),
        gloss=0.05,
    )
    return dataclasses.replace(place, radius=radius * 0.78, floor=place.floor + 1.1)
