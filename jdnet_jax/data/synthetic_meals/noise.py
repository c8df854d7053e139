"""Smooth random fields for textures, cut from a fixed bank so that a field costs one slice."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float

WAVELENGTHS = {"coarse": 30.0, "medium": 11.0, "fine": 4.0, "grain": 1.6}
"""Distance between control points of each field, in canvas units (the picture's side is 96 units)."""

_BANK_SEED = 20_260_101
_BANK_UNITS = 240  # side of a bank field in canvas units: more than two pictures, so that crops rarely repeat


def spline_matrix(size: int, cells: int) -> Float[np.ndarray, "size control"]:
    """Uniform cubic B-spline weights of `size` evenly spaced samples over `cells` cells; control = cells + 3."""
    position = (np.arange(size) + 0.5) / size * cells
    cell = np.minimum(position.astype(int), cells - 1)
    t = position - cell
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    matrix = np.zeros((size, cells + 3), np.float32)
    for k in range(4):
        matrix[np.arange(size), cell + k] += weights[:, k]
    return matrix


@functools.lru_cache(maxsize=4)
def bank(pixels_per_unit: float) -> dict[str, Float[np.ndarray, "side side"]]:
    """Fields of mean 0 and standard deviation 1, one for each wavelength, `fractal` (their mixture) and `white`."""
    rng = np.random.default_rng(_BANK_SEED)
    side = round(_BANK_UNITS * pixels_per_unit)
    fields = {}
    for name, wavelength in WAVELENGTHS.items():
        cells = max(2, round(_BANK_UNITS / wavelength))
        matrix = spline_matrix(side, cells)
        field = matrix @ rng.standard_normal((cells + 3, cells + 3), np.float32) @ matrix.T
        fields[name] = (field - field.mean()) / field.std()
    mixture = fields["coarse"] + 0.6 * fields["medium"].T + 0.35 * fields["fine"] + 0.2 * fields["grain"].T
    fields["fractal"] = mixture / mixture.std()
    fields["white"] = rng.standard_normal((side, side), np.float32)
    for field in fields.values():
        field.setflags(write=False)
    return fields


def crop(
    rng: np.random.Generator, name: str, shape: tuple[int, int], pixels_per_unit: float
) -> Float[np.ndarray, "height width"]:
    """A random read-only crop of bank field `name`, randomly flipped."""
    field = bank(pixels_per_unit)[name]
    height, width = shape
    if max(shape) > field.shape[0]:
        raise ValueError(f"a crop of {shape} does not fit the noise bank of side {field.shape[0]}")
    turn, top, left = rng.random(3)
    top_row = int(top * (field.shape[0] - height + 1))
    left_column = int(left * (field.shape[1] - width + 1))
    piece = field[top_row : top_row + height, left_column : left_column + width]
    flip = int(turn * 4)
    return piece[:: -1 if flip & 1 else 1, :: -1 if flip & 2 else 1]
