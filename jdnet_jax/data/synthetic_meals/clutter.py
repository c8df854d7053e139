"""Clutter on the table: cutlery, chopsticks, cups, napkins, crumbs, spots and stray bowls."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from jdnet_jax.data.synthetic_meals import tableware
from jdnet_jax.data.synthetic_meals.canvas import UNITS, Canvas, Window
from jdnet_jax.data.synthetic_meals.chance import pick
from jdnet_jax.data.synthetic_meals.color import between, linear, many, mix, vary
from jdnet_jax.data.synthetic_meals.foods.grains import capsules
from jdnet_jax.data.synthetic_meals.place import Place, scatter
from jdnet_jax.data.synthetic_meals.tables import CLOTHS, bands

_THINGS = {0: 0.12, 1: 0.28, 2: 0.3, 3: 0.2, 4: 0.1}
_KINDS = {"cutlery": 0.36, "cup": 0.16, "napkin": 0.16, "bowl": 0.14, "crumbs": 0.18}


def _strip(canvas: Canvas, x: float, y: float, angle: float, start: float, stop: float, width: float) -> Window:
    """The window around (x, y) of a strip from `start` to `stop` units along `angle`, `width` to each side."""
    off_x, off_y = (start + stop) / 2 * np.cos(angle), (start + stop) / 2 * np.sin(angle)
    window = canvas.slanted(x + off_x, y + off_y, angle, (stop - start) / 2, width)
    return dataclasses.replace(window, dx=window.dx + np.float32(off_x), dy=window.dy + np.float32(off_y))


def _rod(window: Window, angle: float, start: float, stop: float, width: float) -> Float[np.ndarray, "height width"]:
    """Signed distance of a rod of half-width `width` from `start` to `stop` along `angle`."""
    along, across = window.rotated(angle)
    beyond = np.maximum(np.maximum(np.float32(start) - along, along - np.float32(stop)), 0)
    return np.sqrt(beyond * beyond + across * across) - np.float32(width)


def _metal(canvas: Canvas, window: Window, distance, base: Float[np.ndarray, " 3"], floor: float, thick: float) -> None:
    dome = np.sqrt(np.clip(-distance / np.float32(thick), 0, 1)) * np.float32(thick * 0.8)
    canvas.paint(window, canvas.inside(distance), base, height=np.float32(floor + 0.6) + dome, gloss=1.0)


def cutlery(canvas: Canvas, rng: np.random.Generator, x: float, y: float, angle: float, floor: float) -> None:
    """A fork, knife or spoon whose head lies at (x, y) and whose handle runs along `angle`."""
    metal = between(rng, "b9bcc0", "8d8f94", 0.1) if rng.random() < 0.8 else between(rng, "c8a45a", "a8843c", 0.1)
    kind = rng.integers(3)
    scale = rng.uniform(0.85, 1.25)
    window = _strip(canvas, x, y, angle, 3 * scale, 41 * scale, scale)
    _metal(canvas, window, _rod(window, angle, 4 * scale, 40 * scale, 0.95 * scale), metal, floor, 0.9)
    window = _strip(canvas, x, y, angle, -20 * scale, 8 * scale, 5 * scale)
    along, across = window.rotated(angle)
    if kind == 0:
        tines = np.minimum(np.abs(np.abs(across) - np.float32(1.0 * scale)), 9) - np.float32(0.42 * scale)
        tines = np.minimum(tines, np.abs(np.abs(across) - np.float32(2.6 * scale)) - np.float32(0.42 * scale))
        tines = np.maximum(tines, np.maximum(-along - np.float32(8 * scale), along - np.float32(2 * scale)))
        head = np.sqrt((along - np.float32(2 * scale)) ** 2 * np.float32(0.6) + across**2) - np.float32(3.1 * scale)
        head = np.maximum(head, -along)
        _metal(canvas, window, np.minimum(tines, head), metal, floor, 0.7)
    elif kind == 1:
        blade = np.maximum(
            np.abs(across) - np.float32(1.7 * scale), np.abs(along + np.float32(7 * scale)) - np.float32(12 * scale)
        )
        blade = np.maximum(blade, -along - across * 2 - np.float32(18 * scale))
        _metal(canvas, window, blade, metal, floor, 0.8)
    else:
        span = np.sqrt((along + np.float32(2 * scale)) ** 2 * np.float32(0.5) + across**2) - np.float32(4.2 * scale)
        hollow = np.clip(1 + span / 4, 0, 1) * np.float32(1.2)
        canvas.paint(window, canvas.inside(span), metal, height=np.float32(floor + 0.5) + hollow, gloss=1.0)


def chopsticks(canvas: Canvas, rng: np.random.Generator, x: float, y: float, angle: float, floor: float) -> None:
    """Two sticks side by side through (x, y), sometimes on a rest."""
    wood = vary(rng, ("a8743e", "3a2018", "7a1a16", "c9a06a", "1f1f22")[rng.integers(5)], 0.12)
    if rng.random() < 0.3:
        window = canvas.window(x, y, 6)
        rest = _rod(window, angle + np.pi / 2, -4, 4, 1.6)
        canvas.paint(window, canvas.inside(rest), vary(rng, "dfe6e6", 0.1), height=floor + 1.5, gloss=0.6)
    window = _strip(canvas, x, y, angle, -47, 47, 5)
    for side in (-1, 1):
        along, across = window.rotated(angle + side * rng.uniform(0.0, 0.05))
        taper = np.float32(0.9) + along * np.float32(0.006)
        distance = np.maximum(np.abs(across - np.float32(side * 1.7)) - taper, np.abs(along) - np.float32(46))
        tip = np.clip((along + 14) * np.float32(0.4), 0.6, 1)
        dome = np.sqrt(np.clip(-distance, 0, 1)) * np.float32(0.9)
        canvas.paint(
            window,
            canvas.inside(distance),
            wood[:, None, None] * tip,
            height=np.float32(floor + 1.4) + dome,
            gloss=0.35,
        )


def cup(canvas: Canvas, rng: np.random.Generator, x: float, y: float, squash: float, floor: float) -> None:
    """A cup of coffee, tea, milk or juice on a saucer, or a glass."""
    place = Place(x, y, 12, squash, floor)
    radius = rng.uniform(9, 13)
    if rng.random() < 0.5:
        place = tableware.plate(canvas, rng, place, radius * 1.5)
    inner = tableware.bowl(canvas, rng, Place(x, y, radius, squash, place.floor + 3), radius)
    drink = vary(rng, ("2e1a10", "6d4426", "b5672a", "f0ece0", "e8a53a", "7f9a3a")[rng.integers(6)], 0.1)
    window = canvas.window(x, y, radius)
    distance = np.sqrt(window.dx**2 + (window.dy / np.float32(squash)) ** 2) - np.float32(radius * 0.88)
    foam = np.clip(canvas.noise(rng, "medium", window) * np.float32(0.4), 0, 0.6) * np.float32(rng.random())
    canvas.paint(window, canvas.inside(distance), mix(drink, linear("e8d8b8"), foam), height=inner.floor + 1, gloss=0.9)


def napkin(canvas: Canvas, rng: np.random.Generator, x: float, y: float, floor: float) -> None:
    """A folded napkin: plain, striped or checked."""
    angle, half_x, half_y = rng.uniform(0, np.pi), rng.uniform(12, 26), rng.uniform(9, 18)
    window = canvas.slanted(x, y, angle, half_x + 1, half_y + 1)
    along, across = window.rotated(angle)
    wave = canvas.noise(rng, "coarse", window)
    box = np.maximum(np.abs(along) - np.float32(half_x), np.abs(across) - np.float32(half_y)) + wave * np.float32(0.4)
    ground, ink = (vary(rng, CLOTHS[i], 0.12) for i in rng.integers(len(CLOTHS), size=2))
    kind = rng.random()
    if kind < 0.4:
        share = np.zeros_like(box)
    elif kind < 0.7:
        share = bands(along, rng.uniform(3, 8), 1.5)
    else:
        share = (bands(along, 5, 2.5) + bands(across, 5, 2.5)) * np.float32(0.5)
    fold = (across > np.float32(rng.uniform(-0.5, 0.5) * half_y)).astype(np.float32)
    canvas.paint(
        window,
        canvas.inside(box),
        mix(ground, ink, share),
        height=np.float32(floor + 0.5) + wave * np.float32(0.4) + fold * np.float32(0.5),
        gloss=0.0,
    )


def crumbs(canvas: Canvas, rng: np.random.Generator, x: float, y: float, floor: float) -> None:
    """Crumbs, herbs or pepper around a point."""
    count = int(rng.integers(8, 40))
    place = Place(x, y, 1, 1, floor)
    ground_x, ground_y = rng.normal(0, rng.uniform(6, 22), (2, count))
    shade = vary(rng, ("c99a5a", "7a4a24", "3f7a2c", "2a2320", "c0392b", "efe6d0")[rng.integers(6)], 0.15)
    hits = capsules(
        canvas,
        place,
        (ground_x, ground_y, np.full(count, 0.5)),
        rng.uniform(0, np.pi, count),
        rng.uniform(0.35, 0.9, count),
        0.35,
    )
    canvas.put(hits, many(rng, shade, count, 0.2)[hits.instance], gloss=0.1, food=False)


def spots(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float) -> None:
    """Drops of sauce or oil: stains without a label."""
    count = int(rng.integers(2, 9))
    x, y = place.project(*scatter(rng, count, radius, spread=1.5))
    color = between(
        rng,
        *(("b0280f", "6a3014"), ("5a2a12", "2a160c"), ("d8a838", "a8782a"), ("4f7a2a", "6f8a3a"))[rng.integers(4)],
        0.1,
    )
    sizes = rng.uniform(0.4, 2.2, count).astype(np.float32)[:, None, None]
    hits = canvas.splat(
        x,
        y,
        np.full(count, place.floor),
        2.4,
        lambda dx, dy: (
            np.sqrt(np.maximum(0, sizes * sizes - dx * dx - (dy * dy) * np.float32(1.4))) * np.float32(0.4)
            + np.float32(0.4) * (dx * dx + dy * dy * np.float32(1.4) < sizes * sizes)
        ),
    )
    canvas.put(hits, np.broadcast_to(color, (hits.pixel.size, 3)), gloss=0.6, food=False)


def strew(canvas: Canvas, rng: np.random.Generator, place: Place, radius: float, eastern: float) -> None:
    """Puts a random selection of things around a plate of `radius` at `place`, some cropped by the border.

    `eastern` is the chance that what lies beside the plate is a pair of chopsticks instead of cutlery.
    """
    turn = rng.uniform(0, 2 * np.pi)
    for number in range(pick(rng, _THINGS)):
        angle = turn + number * 2.2 + rng.normal(0, 0.3)
        away = radius + rng.uniform(4, 16)
        x, y = place.x + away * np.cos(angle), place.y + away * np.sin(angle) * place.squash
        x, y = float(np.clip(x, -6, UNITS + 6)), float(np.clip(y, -6, UNITS + 6))
        kind = pick(rng, _KINDS)
        if kind == "cutlery":
            lay = chopsticks if rng.random() < eastern else cutlery
            lay(canvas, rng, x, y, angle + (np.pi / 2 if rng.random() < 0.5 else -np.pi / 2) + rng.normal(0, 0.25), 1.0)
        elif kind == "cup":
            cup(
                canvas,
                rng,
                place.x + (away + 12) * np.cos(angle),
                place.y + (away + 12) * np.sin(angle),
                place.squash,
                1.0,
            )
        elif kind == "napkin":
            napkin(canvas, rng, x, y, 1.0)
        elif kind == "crumbs":
            crumbs(canvas, rng, x, y, 1.0)
        else:
            size = rng.uniform(9, 15)
            far = away + size
            beside = Place(
                place.x + far * np.cos(angle), place.y + far * np.sin(angle) * place.squash, size, place.squash
            )
            tableware.bowl(canvas, rng, beside, size)
