"""`render`: one photo of a class and the exact mask of its food, from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from jdnet_jax.data.synthetic_meals import camera, scene, shading
from jdnet_jax.data.synthetic_meals.canvas import UNITS, Canvas
from jdnet_jax.data.synthetic_meals.foods.sauce import sauce
from jdnet_jax.data.synthetic_meals.place import Place

DEFAULT_SIZE = 96


def _stream(seed: int | Sequence[int], purpose: int) -> np.random.Generator:
    """Independent random stream of one purpose. SeedSequence hashes, so near seeds give unrelated streams."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose,))))


def render(
    label: int, seed: int | Sequence[int], size: int = DEFAULT_SIZE
) -> tuple[UInt8[np.ndarray, "size size 3"], Bool[np.ndarray, "size size"]]:
    """Renders a photo of class `label`; a pure function of its arguments.

    The camera, the light and the sauce come from random streams that do not depend on the label, the rest of the scene
    from one that does. The two sauce classes are drawn in two layers, and every step after the drawing works pixel by
    pixel or on each layer alone, so that inside the mask `ketchup` and `chili_paste` of one seed have the same bits:
    the region of interest alone says nothing about which of the two it is.

    Args:
        label: index into `CLASS_NAMES`.
        seed: not negative integer(s).
        size: side of the photo in pixels; at least 16.

    Returns:
        The photo (sRGB) and the mask: True where at least half of a pixel shows the food of the label.
    """
    name = scene.CLASS_NAMES[label]
    shot_rng = _stream(seed, 0)
    shot = camera.draw_shot(shot_rng)
    scene_rng = _stream(seed, 2 + label)
    canvas = Canvas(size)
    scale = canvas.pixels_per_unit
    if name in scene.FOODS:
        scene.meal(canvas, scene_rng, name, shot.squash)
        lit = shading.shade(canvas.albedo, canvas.height, canvas.gloss, shot.light, scale)
        picture = camera.expose(lit, shot)
        return camera.develop(picture, shot, shot_rng), canvas.food_mask()

    sauce_rng = _stream(seed, 1)
    spot = Place(
        UNITS / 2 + float(np.clip(sauce_rng.normal(0, 7), -16, 16)),
        UNITS / 2 + float(np.clip(sauce_rng.normal(0, 7), -16, 16)),
        float(sauce_rng.uniform(8, 13)),
        shot.squash,
    )
    blob = Canvas(size)
    sauce(blob, sauce_rng, spot, True)
    blob_lit = shading.shade(blob.albedo, blob.height, blob.gloss, shot.light, scale)
    layer = np.concatenate([blob_lit * blob.cover, blob.cover[None]])
    layer = camera.expose(layer, shot)

    ground = scene.sauce_scene(canvas, scene_rng, name, spot)
    # The sauce's height casts a shadow on its surroundings; nothing of theirs reaches the sauce.
    canvas.height += blob.cover * (blob.height + np.float32(ground.floor - 1.0) - canvas.height)
    lit = shading.shade(canvas.albedo, canvas.height, canvas.gloss * (1 - blob.cover), shot.light, scale)
    picture = camera.expose(lit, shot)
    # Half covered or more counts as covered wholly: the soft edge lies outside the mask, and inside it is sauce alone.
    alpha = np.minimum(layer[3] * 2, 1)
    color = layer[:3] / np.maximum(layer[3], np.float32(1e-3))
    picture = np.where(alpha == 1, color, color * alpha + picture * (1 - alpha))
    return camera.develop(picture, shot, shot_rng), layer[3] >= 0.5
