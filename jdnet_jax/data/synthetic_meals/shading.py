"""Light on the canvas: a sun with cast shadows, a sky with ambient occlusion, and two specular lobes."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

_SKY_REACH = 6.0  # units around a point that take sky away from it
_SHADOW_STEPS = (1.0, 2.2, 4.0, 6.5, 10.0, 15.0)  # units between a point and what may stand in its light


@dataclasses.dataclass(frozen=True)
class Light:
    """Light of one picture.

    Attributes:
        azimuth: direction in which the sun lies, radians, 0 = right, growing clockwise.
        elevation: angle of the sun above the table, radians.
        sun: linear RGB of the sun on a flat surface.
        sky: linear RGB of the ambient light.
        softness: width of the shadows' edges, units.
    """

    azimuth: float
    elevation: float
    sun: Float[np.ndarray, " 3"]
    sky: Float[np.ndarray, " 3"]
    softness: float


def surroundings(field: Float[np.ndarray, "rows columns"], reach: int) -> Float[np.ndarray, "rows columns"]:
    """Mean of `field` over the square of 2 * reach + 1 values a side around each; beyond the border 0."""
    for _ in range(2):  # along the rows, then, transposed, along the columns
        total = np.zeros((field.shape[0] + 2 * reach + 1, field.shape[1]), np.float32)
        np.cumsum(field, axis=0, out=total[reach + 1 : reach + 1 + field.shape[0]])
        total[reach + 1 + field.shape[0] :] = total[reach + field.shape[0]]
        field = (total[2 * reach + 1 :] - total[: -2 * reach - 1]).T
    return field * np.float32(1 / (2 * reach + 1) ** 2)


def _shifted(field: Float[np.ndarray, "side side"], rows: int, columns: int) -> Float[np.ndarray, "side side"]:
    """`field[y + rows, x + columns]`, zero outside."""
    side = field.shape[0]
    result = np.zeros_like(field)
    if abs(rows) < side and abs(columns) < side:
        y0, y1 = max(0, -rows), min(side, side - rows)
        x0, x1 = max(0, -columns), min(side, side - columns)
        result[y0:y1, x0:x1] = field[y0 + rows : y1 + rows, x0 + columns : x1 + columns]
    return result


def shadow(low: Float[np.ndarray, "rows columns"], light: Light, scale: float) -> Float[np.ndarray, "rows columns"]:
    """Share in [0, 1] of the sun that other heights take away.

    Args:
        low: heights, units.
        light: where the sun stands and how soft its shadows are.
        scale: values of `low` per unit.
    """
    slope = np.tan(light.elevation)
    blocked = np.zeros_like(low)
    for step in _SHADOW_STEPS:
        rows, columns = round(step * scale * np.sin(light.azimuth)), round(step * scale * np.cos(light.azimuth))
        other = _shifted(low, rows, columns)
        other -= low
        other -= np.float32(step * slope)
        np.maximum(blocked, other, out=blocked)
    blocked *= np.float32(1 / light.softness)
    np.minimum(blocked, 1, out=blocked)
    blurred = blocked.copy()
    blurred[1:] += blocked[:-1]
    blurred[:-1] += blocked[1:]
    blurred[:, 1:] += blocked[:, :-1]
    blurred[:, :-1] += blocked[:, 1:]
    blurred *= np.float32(0.2)
    return blurred


def doubled(low: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "twice_rows twice_columns"]:
    """Every value four times, in a square of two by two."""
    rows, columns = low.shape
    wide = np.repeat(low, 2, axis=1)
    result = np.empty((rows, 2, 2 * columns), np.float32)
    result[...] = wide[:, None]
    return result.reshape(2 * rows, 2 * columns)


def shade(
    albedo: Float[np.ndarray, "3 side side"],
    height: Float[np.ndarray, "side side"],
    gloss: Float[np.ndarray, "side side"],
    light: Light,
    scale: float,
) -> Float[np.ndarray, "3 side side"]:
    """Linear light that reaches the camera; surfaces lit flat have the value albedo * (sun + sky)."""
    slope_x = np.zeros_like(height)
    slope_y = np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=slope_x[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=slope_y[1:-1])
    for slope in (slope_x, slope_y):
        slope *= np.float32(scale / 2)
        # Silhouettes are cliffs; unlimited they would draw hard outlines.
        np.maximum(slope, -1.6, out=slope)
        np.minimum(slope, 1.6, out=slope)
    normal_z = slope_x * slope_x
    normal_z += slope_y * slope_y
    normal_z += 1
    np.sqrt(normal_z, out=normal_z)
    np.divide(1, normal_z, out=normal_z)
    cos, sin = np.cos(light.elevation), np.sin(light.elevation)
    to_sun = np.array([cos * np.cos(light.azimuth), cos * np.sin(light.azimuth), sin], np.float32)
    half = to_sun + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)

    # What stands around a point is smooth enough to be worked out at the picture's size.
    low = height[::2, ::2] - 1
    sunlit = doubled(1 - shadow(low, light, scale / 2))
    around = surroundings(low, round(_SKY_REACH * scale / 2))
    around -= low
    np.maximum(around, -0.5, out=around)
    np.minimum(around, 4, out=around)
    around *= np.float32(-0.11)
    around += 1
    open_sky = doubled(around)

    facing = slope_x * (-to_sun[0] / to_sun[2])
    facing -= slope_y * (to_sun[1] / to_sun[2])
    facing += 1
    facing *= normal_z
    np.maximum(facing, 0, out=facing)
    facing *= sunlit
    open_sky *= normal_z * np.float32(0.45) + np.float32(0.55)

    lobe = slope_x * -half[0]
    lobe -= slope_y * half[1]
    lobe += half[2]
    lobe *= normal_z
    np.maximum(lobe, 0, out=lobe)
    for _ in range(4):
        lobe *= lobe  # ^16
    broad = lobe * np.float32(0.16)
    lobe *= lobe
    lobe *= lobe  # ^64
    broad += lobe
    broad *= gloss
    broad *= sunlit
    result = np.empty_like(albedo)
    for channel in range(3):
        lit = result[channel]
        np.multiply(facing, light.sun[channel], out=lit)
        lit += open_sky * light.sky[channel]
        lit *= albedo[channel]
        lit += broad * (light.sun[channel] * np.float32(0.9))
    return result
