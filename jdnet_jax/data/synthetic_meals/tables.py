"""Table surfaces: wood, cloth, marble, slate, bamboo mat and plain laminate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jdnet_jax.data.synthetic_meals.canvas import Canvas
from jdnet_jax.data.synthetic_meals.chance import pick
from jdnet_jax.data.synthetic_meals.color import between, many, mix, vary

WOODS = (("c89a62", "a8743e"), ("8a5a34", "6a4024"), ("d9bf94", "c4a272"), ("5a3d2b", "3f2a1e"), ("b0a08c", "93826c"))
CLOTHS = ("b3312c", "2f5d8a", "3f7a4f", "d8a13a", "7a4f86", "d8d2c4", "4a4a52", "c9707a", "e8e2d2", "8fb0b8")
PLAINS = ("e6e2da", "cfd6d8", "b9c4b0", "d9b8a0", "5b6770", "34383c", "a34a3c", "e0c070", "7fa3ad", "c7b7cf")

_Field = Float[np.ndarray, "height width"]


def _fill(canvas: Canvas, color: Float[np.ndarray, "3 side side"], height: _Field, gloss: float) -> None:
    canvas.albedo[...] = color
    # Everything else is drawn over the table, which therefore lies a little above zero and nowhere below it.
    np.maximum(height, -0.7, out=canvas.height)
    canvas.height += 1
    canvas.gloss[...] = gloss


def wood(canvas: Canvas, rng: np.random.Generator) -> None:
    """Planks at any angle, with grain lines, knots of colour and dark joints."""
    window = canvas.everything()
    light, dark = WOODS[rng.integers(len(WOODS))]
    _, across = window.rotated(float(rng.integers(2)) * np.pi / 2 + rng.normal(0, 0.25))
    across = across + rng.uniform(0, 50)
    width = np.float32(rng.uniform(14, 40))
    plank = np.floor(across / width)
    edge = across - plank * width
    number = plank.astype(np.int64) - int(plank.min())
    shades = rng.normal(0, 0.12, number.max() + 1).astype(np.float32)
    warp = canvas.noise(rng, "coarse", window)
    grain = across * np.float32(rng.uniform(1.2, 2.6)) + warp * np.float32(rng.uniform(2, 5)) + number * np.float32(1.7)
    # Sine of sine: narrow dark lines at uneven distances.
    lines = np.sin(grain + np.float32(1.3) * np.sin(grain * np.float32(0.37)))
    lines += np.float32(0.5) * canvas.noise(rng, "fine", window)
    share = np.float32(0.45) + np.float32(0.22) * lines + shades[number]
    joint = np.minimum(edge, width - edge) < 0.45
    share[joint] = 1.9
    color = mix(vary(rng, light, 0.08), vary(rng, dark, 0.08), np.clip(share, 0, 1.7))
    np.clip(color, 0.004, 1, out=color)
    _fill(canvas, color, np.float32(-0.05) * lines - joint * np.float32(0.3), rng.uniform(0.0, 0.25))


def _weave(canvas: Canvas, rng: np.random.Generator) -> tuple[_Field, _Field, _Field]:
    """Bent cloth coordinates (units) and the folds' height."""
    window = canvas.everything()
    along, across = window.rotated(rng.uniform(0, np.pi))
    folds = canvas.noise(rng, "coarse", window)
    bend = np.float32(rng.uniform(0.3, 1.0))
    return along + bend * folds, across + bend * canvas.noise(rng, "coarse", window), folds


def bands(position: _Field, period: float, width: float) -> _Field:
    """Share of ink in [0, 1] of parallel bands of `width` units every `period` units, with soft edges."""
    phase = position * np.float32(1 / period)
    phase -= np.floor(phase)
    away = np.abs(phase - np.float32(0.5))  # in periods; largest in the middle of a band
    away -= np.float32(0.5 - width / period / 2)
    away *= np.float32(period)
    away += np.float32(0.5)
    np.maximum(away, 0, out=away)
    return np.minimum(away, 1, out=away)


def gingham(canvas: Canvas, rng: np.random.Generator) -> None:
    """Checked cloth: two crossing sets of bands over white."""
    along, across, folds = _weave(canvas, rng)
    period = rng.uniform(7, 18)
    ink = bands(along, period, period / 2) + bands(across, period, period / 2)
    thread = canvas.noise(rng, "white", canvas.everything())
    color = mix(vary(rng, "efeae0", 0.04), vary(rng, CLOTHS[rng.integers(5)], 0.1), ink * np.float32(0.5))
    color *= 1 + np.float32(0.05) * thread
    _fill(canvas, color, np.float32(0.35) * folds, 0.0)


def striped(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cloth with stripes of two widths."""
    along, _, folds = _weave(canvas, rng)
    period = rng.uniform(8, 24)
    wide = rng.uniform(0.15, 0.55) * period
    stripe = bands(along, period, wide) + bands(along + period / 2, period, 0.08 * period)
    ground = rng.integers(len(CLOTHS))
    ink = ground - 1 - rng.integers(len(CLOTHS) - 1)  # another one, counting backwards
    color = mix(vary(rng, CLOTHS[ground], 0.1), vary(rng, CLOTHS[ink], 0.1), stripe)
    color *= 1 + np.float32(0.05) * canvas.noise(rng, "white", canvas.everything())
    _fill(canvas, color, np.float32(0.35) * folds, 0.0)


def linen(canvas: Canvas, rng: np.random.Generator) -> None:
    """Plain woven cloth with visible threads."""
    along, across, folds = _weave(canvas, rng)
    threads = np.sin(along * np.float32(3.1)) + np.sin(across * np.float32(3.1))
    base = vary(rng, CLOTHS[rng.integers(len(CLOTHS))], 0.15)
    tone = 1 + np.float32(0.07) * threads + np.float32(0.05) * canvas.noise(rng, "fine", canvas.everything())
    _fill(canvas, base[:, None, None] * tone, np.float32(0.35) * folds, 0.0)


def marble(canvas: Canvas, rng: np.random.Generator) -> None:
    """Veined stone: the zero lines of a warped field, light or dark."""
    window = canvas.everything()
    ground, vein = (("ece9e4", "9a9690"), ("e9e0d2", "b08d62"), ("2c2f33", "a9a49c"))[rng.integers(3)]
    field = canvas.noise(rng, "fractal", window)
    cloud = canvas.noise(rng, "coarse", window)
    veins = np.maximum(0, 1 - np.abs(field + np.float32(0.6) * cloud) * np.float32(rng.uniform(3, 7)))
    share = veins * np.float32(rng.uniform(0.4, 0.9)) + np.float32(0.10) * np.abs(cloud)
    _fill(canvas, mix(vary(rng, ground, 0.05), vary(rng, vein, 0.1), share), cloud * 0, rng.uniform(0.1, 0.5))


def slate(canvas: Canvas, rng: np.random.Generator) -> None:
    """Dark split stone, or rough concrete when light."""
    window = canvas.everything()
    rough = canvas.noise(rng, "fractal", window)
    base = vary(rng, ("3a3f44", "2d2c2e", "4b5256", "8e8b86", "6d6259")[rng.integers(5)], 0.12)
    tone = np.clip(1 + np.float32(0.16) * rough + np.float32(0.08) * canvas.noise(rng, "white", window), 0.2, 2)
    _fill(canvas, base[:, None, None] * tone, np.float32(0.18) * rough, rng.uniform(0, 0.2))


def plain(canvas: Canvas, rng: np.random.Generator) -> None:
    """Laminate or painted board of one colour."""
    window = canvas.everything()
    base = vary(rng, PLAINS[rng.integers(len(PLAINS))], 0.15)
    tone = (
        1
        + np.float32(0.03) * canvas.noise(rng, "coarse", window)
        + np.float32(0.015) * canvas.noise(rng, "white", window)
    )
    _fill(canvas, base[:, None, None] * tone, tone * 0, rng.uniform(0, 0.4))


def bamboo(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mat of thin rods with binding threads."""
    window = canvas.everything()
    along, across = window.rotated(rng.uniform(0, np.pi))
    width = np.float32(rng.uniform(1.8, 3.4))
    position = across / width + np.float32(0.02) * canvas.noise(rng, "coarse", window)
    rod = np.floor(position)
    phase = position - rod
    number = rod.astype(np.int64) - int(rod.min())
    base = between(rng, "d9bd82", "a8854c", 0.1)
    shades = many(rng, base, int(number.max()) + 1, 0.10)
    profile = 4 * phase * (1 - phase)
    color = np.moveaxis(shades[number], -1, 0) * (np.float32(0.55) + np.float32(0.45) * profile)
    thread = bands(along + np.float32(rng.uniform(0, 30)), 26, 1.0)
    color *= 1 - np.float32(0.6) * thread
    _fill(canvas, np.ascontiguousarray(color), np.float32(0.35) * profile, 0.08)


TABLES: dict[str, Callable[[Canvas, np.random.Generator], None]] = {
    "wood": wood,
    "gingham": gingham,
    "striped": striped,
    "linen": linen,
    "marble": marble,
    "slate": slate,
    "plain": plain,
    "bamboo": bamboo,
}


def lay(canvas: Canvas, rng: np.random.Generator, weights: dict[str, float]) -> None:
    """Covers the canvas with a table drawn with these relative weights."""
    ground = Canvas(canvas.side // 2, supersampling=1)
    TABLES[pick(rng, weights)](ground, rng)
    canvas.lay(ground)
