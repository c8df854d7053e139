"""The canvas: colour, height, gloss and the food's cover of each supersampled pixel, and the two ways to draw on it.

Lengths are in canvas units: the picture is 96 units wide and high whatever its size in pixels; x runs right, y down and
heights towards the camera. Large shapes are painted through an antialiased alpha in their bounding box (`paint`); many
small ones (grains, peas, strands) are splatted together through one depth buffer (`splat`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from jdnet_jax.data.synthetic_meals import noise

UNITS = 96.0
SUPERSAMPLING = 2


@dataclasses.dataclass(frozen=True)
class Window:
    """A rectangle of the canvas: its slices, and its pixels' offsets (units) from the point it was asked around."""

    rows: slice
    columns: slice
    dx: Float[np.ndarray, "1 width"]
    dy: Float[np.ndarray, "height 1"]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in supersampled pixels; either may be 0 outside the picture."""
        return self.dy.shape[0], self.dx.shape[1]

    @property
    def index(self) -> tuple[slice, slice]:
        """Index of the rectangle in a field of the canvas."""
        return self.rows, self.columns

    def rotated(self, angle: float) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
        """Offsets along a direction of `angle` radians and across it."""
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return self.dx * cos + self.dy * sin, self.dy * cos - self.dx * sin


@dataclasses.dataclass(frozen=True)
class Hits:
    """Visible samples of a splat: which pixel, which instance, where on it, how high."""

    pixel: Int[np.ndarray, " hits"]
    instance: Int[np.ndarray, " hits"]
    sample: Int[np.ndarray, " hits"]
    height: Float[np.ndarray, " hits"]


class Canvas:
    """Fields of one picture at `supersampling` times its size (see the module's docstring)."""

    def __init__(self, size: int, supersampling: int = SUPERSAMPLING):
        """Makes an empty, black, flat canvas for a picture of `size` pixels a side."""
        self.side = size * supersampling
        self.pixels_per_unit = self.side / UNITS
        self.albedo = np.zeros((3, self.side, self.side), np.float32)
        self.height = np.zeros((self.side, self.side), np.float32)
        self.gloss = np.zeros((self.side, self.side), np.float32)
        self.cover = np.zeros((self.side, self.side), np.float32)
        self._has_food = False
        self._centres = ((np.arange(self.side) + 0.5) / self.pixels_per_unit).astype(np.float32)

    def lay(self, ground: Canvas) -> None:
        """Covers everything with a canvas of half the side. Tables are smooth enough to be drawn at picture size."""
        pairs = [
            (self.height, ground.height),
            (self.gloss, ground.gloss),
            *zip(self.albedo, ground.albedo, strict=True),
        ]
        for field, source in pairs:
            field.reshape(ground.side, 2, self.side)[...] = np.repeat(source, 2, axis=1)[:, None]

    def window(self, x: float, y: float, reach_x: float, reach_y: float | None = None) -> Window:
        """The part of the canvas within `reach` units of (x, y); empty where that lies outside."""
        reach_y = reach_x if reach_y is None else reach_y
        scale, side = self.pixels_per_unit, self.side
        top, bottom = int((y - reach_y) * scale), int((y + reach_y + 1) * scale)
        left, right = int((x - reach_x) * scale), int((x + reach_x + 1) * scale)
        rows = slice(min(max(top, 0), side), min(max(bottom, 0), side))
        columns = slice(min(max(left, 0), side), min(max(right, 0), side))
        return Window(
            rows, columns, self._centres[None, columns] - np.float32(x), self._centres[rows, None] - np.float32(y)
        )

    def slanted(self, x: float, y: float, angle: float, length: float, width: float, squash: float = 1.0) -> Window:
        """The part of the canvas that a rectangle around (x, y) may touch.

        Its half-sides are `length` along `angle` and `width` across it, in units on ground seen at `squash`.
        """
        cos, sin = abs(float(np.cos(angle))), abs(float(np.sin(angle)))
        return self.window(x, y, length * cos + width * sin, (length * sin + width * cos) * squash)

    def everything(self) -> Window:
        """The whole canvas, offsets from its centre."""
        return self.window(UNITS / 2, UNITS / 2, UNITS)

    def noise(self, rng: np.random.Generator, name: str, window: Window) -> Float[np.ndarray, "height width"]:
        """A random field (mean 0, standard deviation 1) of the window's shape; names: see `noise.bank`."""
        return noise.crop(rng, name, window.shape, self.pixels_per_unit)

    def inside(
        self, distance: Float[np.ndarray, "height width"], soft: float = 0.0
    ) -> Float[np.ndarray, "height width"]:
        """Antialiased alpha of the region where the signed `distance` (units) is negative; `soft` units wide edge."""
        alpha = distance * np.float32(-1 / (soft + 1 / self.pixels_per_unit))
        alpha += np.float32(0.5)
        np.maximum(alpha, 0, out=alpha)
        return np.minimum(alpha, 1, out=alpha)

    def paint(
        self,
        window: Window,
        alpha: Float[np.ndarray, "height width"],
        color: Float[np.ndarray, "3 ..."],
        *,
        height: Float[np.ndarray, "height width"] | float | None = None,
        gloss: Float[np.ndarray, "height width"] | float | None = None,
        food: bool | None = False,
    ) -> None:
        """Lays a coat over the window.

        Args:
            window: the rectangle to paint.
            alpha: opacity in [0, 1].
            color: one linear RGB colour [3] or a field [3, height, width].
            height: absolute height (units) of the coat, blended by alpha; None keeps the surface below.
            gloss: specular strength in [0, 1]; None keeps that below.
            food: whether the coat belongs to the food of the label; None leaves that as it is (a stain).
        """
        index = window.index
        target = self.albedo[:, index[0], index[1]]
        target += alpha * ((color[:, None, None] if color.ndim == 1 else color) - target)
        for field, value in ((self.height, height), (self.gloss, gloss)):
            if value is not None:
                below = field[index]
                below += alpha * (value - below)
        if food or (self._has_food and food is not None):
            self._has_food = True
            cover = self.cover[index]
            cover += alpha * (np.float32(food) - cover)

    def tint(self, window: Window, alpha: Float[np.ndarray, "height width"], color: Float[np.ndarray, " 3"]) -> None:
        """Multiplies the colours of the window by `color` where alpha is 1: a glaze, a burn, a stain."""
        self.albedo[:, window.rows, window.columns] *= 1 - alpha * (1 - color[:, None, None])

    def splat(
        self,
        x: Float[np.ndarray, " n"],
        y: Float[np.ndarray, " n"],
        z: Float[np.ndarray, " n"],
        reach: float,
        profile: Callable[[Float[np.ndarray, "n 1 k"], Float[np.ndarray, "n k 1"]], Float[np.ndarray, "n k k"]],
    ) -> Hits:
        """Finds what is visible of `n` small shapes that overlap each other and the canvas.

        Args:
            x: centres (units).
            y: centres (units).
            z: height of each shape's foot (units, not negative).
            reach: largest distance (units) of a shape's edge from its centre along an axis.
            profile: from offsets (dx, dy; units) to the height above the foot; not positive means outside.

        Returns:
            The highest sample in each pixel where it also rises above the canvas. `sample` indexes the flattened
            [n, k, k] arrays of `profile`, so that a caller can look up local coordinates it computed there.
        """
        scale = self.pixels_per_unit
        extent = int(np.ceil(2 * reach * scale)) + 1
        steps = np.arange(extent)
        columns = np.floor(x * scale - extent / 2 + 0.5).astype(np.int64)[:, None] + steps
        rows = np.floor(y * scale - extent / 2 + 0.5).astype(np.int64)[:, None] + steps
        dx = ((columns + 0.5) / scale - x[:, None]).astype(np.float32)[:, None, :]
        dy = ((rows + 0.5) / scale - y[:, None]).astype(np.float32)[:, :, None]
        heights = profile(dx, dy)
        visible = heights > 0
        visible &= ((rows >= 0) & (rows < self.side))[:, :, None]
        visible &= ((columns >= 0) & (columns < self.side))[:, None, :]
        sample = np.flatnonzero(visible)
        depth = (heights + z.astype(np.float32)[:, None, None]).ravel()[sample]
        pixel = (rows[:, :, None] * self.side + columns[:, None, :]).ravel()[sample]
        # Not negative floats sort like their bits, so one integer maximum keeps the highest sample and its number.
        first, last = (int(pixel.min()), int(pixel.max())) if pixel.size else (0, 0)
        pixel -= first
        buffer = np.zeros(last - first + 1, np.int64)
        np.maximum.at(buffer, pixel, (depth.view(np.int32).astype(np.int64) << 32) | sample)
        pixel = np.flatnonzero(buffer)
        winner = buffer[pixel]
        pixel += first
        depth = (winner >> 32).astype(np.int32).view(np.float32)
        above = depth > self.height.ravel()[pixel]
        pixel, sample, depth = pixel[above], (winner & 0xFFFFFFFF)[above], depth[above]
        return Hits(pixel, sample // (extent * extent), sample, depth)

    def food_mask(self) -> Bool[np.ndarray, "half half"]:
        """Pixels of the picture of which the food of the label covers at least half."""
        pairs = self.cover[0::2] + self.cover[1::2]
        return pairs[:, 0::2] + pairs[:, 1::2] >= 2

    def put(
        self, hits: Hits, color: Float[np.ndarray, "hits 3"], *, gloss: Float[np.ndarray, " hits"] | float, food: bool
    ) -> None:
        """Writes the visible samples of a splat."""
        for channel in range(3):
            self.albedo[channel].ravel()[hits.pixel] = color[:, channel]
        self.height.ravel()[hits.pixel] = hits.height
        self.gloss.ravel()[hits.pixel] = gloss
        if food or self._has_food:
            self._has_food = True
            self.cover.ravel()[hits.pixel] = np.float32(food)
