"""The camera: turns linear light at twice the photo's size into the photo, with focus, fall-off, tone and grain."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from jdnet_jax.data.synthetic_meals import noise
from jdnet_jax.data.synthetic_meals.canvas import UNITS
from jdnet_jax.data.synthetic_meals.shading import Light


@dataclasses.dataclass(frozen=True)
class Shot:
    """The settings of one picture; drawn from a separate random stream, so it never depends on the label.

    Attributes:
        light: sun and sky.
        squash: sine of the camera's elevation.
        exposure: factor on linear light.
        contrast: strength of the tone curve, 0 to 1.
        saturation: factor on colour differences.
        vignette: loss of light at the corners, 0 to 1.
        blur: standard deviation of defocus and motion along y and along x, units.
        gobo: depth of the soft shadows that fall into the picture from outside it, 0 to 1.
        gobo_tilt: direction in which the light falls off, radians.
        grain: standard deviation of the sensor's noise at full light, in [0, 1] of the sRGB range.
    """

    light: Light
    squash: float
    exposure: float
    contrast: float
    saturation: float
    vignette: float
    blur: tuple[float, float]
    gobo: float
    gobo_tilt: float
    grain: float


def draw_shot(rng: np.random.Generator) -> Shot:
    """A random light and camera."""
    warmth = rng.normal(0, 0.11)
    tint = rng.normal(0, 0.025)
    temperature = np.exp(np.array([warmth, tint, -warmth])).astype(np.float32)
    share = rng.uniform(0.35, 0.75)  # of the sun in the light: overcast to window light
    light = Light(
        azimuth=float(rng.uniform(0, 2 * np.pi)),
        elevation=float(rng.uniform(0.5, 1.1)),
        sun=(temperature * share).astype(np.float32),
        sky=(temperature[::-1] ** 0.4 * (1 - share) * 1.1).astype(np.float32),
        softness=float(rng.uniform(0.6, 3.0)),
    )
    sharp = abs(rng.normal(0, 0.35)) if rng.random() < 0.8 else rng.uniform(0.5, 1.0)
    motion = rng.uniform(0.4, 1.2) if rng.random() < 0.12 else 0.0
    blur = (float(np.hypot(sharp, motion)), float(sharp))
    return Shot(
        light=light,
        squash=float(rng.uniform(0.74, 1.0)),
        exposure=float(np.exp(rng.normal(0.12, 0.22))),
        contrast=float(rng.uniform(0.1, 0.7)),
        saturation=float(rng.uniform(0.75, 1.2)),
        vignette=float(rng.uniform(0.0, 0.45)),
        blur=blur if rng.random() < 0.5 else blur[::-1],
        gobo=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.35 else 0.0,
        gobo_tilt=float(rng.uniform(0, 2 * np.pi)),
        grain=float(rng.uniform(0.004, 0.03)),
    )


def _blurred(
    field: Float[np.ndarray, "channels side side"], sigma: float, axis: int
) -> Float[np.ndarray, "channels side side"]:
    """Gaussian blur of `sigma` pixels along one axis; beyond the border its nearest values stand in."""
    if sigma < 0.2:
        return field
    reach = int(np.ceil(2.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    side = field.shape[axis]
    padded = field.take(np.clip(np.arange(-reach, side + reach), 0, side - 1), axis=axis)
    part = [padded[:, k : k + side] if axis == 1 else padded[:, :, k : k + side] for k in range(2 * reach + 1)]
    result = field * np.float32(weights[0])
    for step in range(1, reach + 1):
        result += (part[reach + step] + part[reach - step]) * np.float32(weights[step])
    return result


def expose(field: Float[np.ndarray, "channels samples samples"], shot: Shot) -> Float[np.ndarray, "channels side side"]:
    """The exposure of the supersampled light by lens and sensor: pixels, with the shot's blur."""
    pairs = field[:, 0::2] + field[:, 1::2]
    picture = (pairs[:, :, 0::2] + pairs[:, :, 1::2]) * np.float32(0.25)
    scale = picture.shape[1] / UNITS
    for axis, blur in zip((1, 2), shot.blur, strict=True):
        picture = _blurred(picture, blur * scale, axis)
    return picture


def develop(
    linear: Float[np.ndarray, "3 side side"], shot: Shot, rng: np.random.Generator
) -> UInt8[np.ndarray, "side side 3"]:
    """Applies falling light, exposure, tone, saturation and grain; every step works pixel by pixel."""
    side = linear.shape[1]
    scale = side / 96
    axis = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side * 2 - 1
    lighting = 1 - np.float32(shot.vignette * 0.5) * (axis[:, None] ** 2 + axis[None, :] ** 2)
    lighting *= 1 + np.float32(0.12) * (
        axis[None, :] * np.float32(np.cos(shot.gobo_tilt)) + axis[:, None] * np.float32(np.sin(shot.gobo_tilt))
    )
    if shot.gobo:
        leaves = noise.crop(rng, "coarse", (side, side), scale)
        lighting *= 1 - np.float32(shot.gobo) * np.clip(leaves * np.float32(1.6) + np.float32(0.2), 0, 1)
    light = linear * (lighting * np.float32(shot.exposure))
    # Shoulder: highlights roll off instead of clipping.
    light *= (1 + light * np.float32(0.16)) / (1 + light * np.float32(0.36))
    np.sqrt(light, out=light)
    grey = light.mean(axis=0)
    light = grey + np.float32(shot.saturation) * (light - grey)
    np.clip(light, 0, 1, out=light)
    light += np.float32(shot.contrast) * light * (1 - light) * (light * 2 - 1) * np.float32(0.9)
    for channel in range(3):
        light[channel] += noise.crop(rng, "white", (side, side), scale) * np.float32(shot.grain)
    light *= 255
    light += np.float32(0.5)
    np.clip(light, 0, 255, out=light)
    return np.ascontiguousarray(np.moveaxis(light.astype(np.uint8), 0, -1))
