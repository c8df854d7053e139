"""The colour map for activations; its order is clear with and without colour vision."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

# Of the lowest and the highest value: OKLab lightness, and OKLCh hue in degrees, from blue through red to yellow.
_LIGHTNESS, _HUE, _CHROMA = (0.35, 0.95), (285.0, 465.0), 0.24


def table() -> UInt8[np.ndarray, "256 3"]:
    """sRGB of the values 0 to 255: dark blue, purple, red, orange, light yellow.

    Perceived lightness (OKLab; Ottosson, 2020) rises evenly, so that equal steps of the value look equally large and
    the order survives every kind of colour blindness and a grey print. The hue also turns evenly, at the largest chroma
    that sRGB has there.
    """
    value = np.linspace(0.0, 1.0, 256)
    lightness = _LIGHTNESS[0] + (_LIGHTNESS[1] - _LIGHTNESS[0]) * value
    hue = np.radians(_HUE[0] + (_HUE[1] - _HUE[0]) * value)
    low, high = np.zeros(256), np.full(256, _CHROMA)
    for _ in range(12):  # bisection for the largest chroma inside sRGB
        middle = (low + high) / 2
        fits = np.all(np.abs(_linear_rgb(lightness, middle, hue) - 0.5) <= 0.5, axis=1)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    linear = np.clip(_linear_rgb(lightness, low, hue), 0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255.0 * srgb).astype(np.uint8)


def _linear_rgb(
    lightness: Float[np.ndarray, " n"], chroma: Float[np.ndarray, " n"], hue: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    """Linear sRGB of OKLCh colours, by the published matrices of OKLab."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return (lab @ to_lms.T) ** 3 @ to_rgb.T
