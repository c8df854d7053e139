"""RandAugment (Cubuk, Zoph, Shlens, Le, NeurIPS 2020): a few random changes of geometry and colour, one magnitude.

The fourteen operations, their ranges and the scale of magnitudes, 0 to 30, are those of the paper as torchvision
implements it; colour operations are Pillow's. The area that an operation on geometry uncovers is grey (128), not black:
OURS. All random numbers come from a key by stateless operations, so they do not depend on the order of reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf
from jaxtyping import Float, Int

MAX_MAGNITUDE = 30

_FILL = 128.0
LUMA = (0.299, 0.587, 0.114)  # Rec. 601 weights of R, G, B

Image = Float[tf.Tensor, "h w 3"]
Strength = Float[tf.Tensor, ""]


def rand_augment(image: Image, key: Int[tf.Tensor, " 2"], layers: int, magnitude: float) -> Image:
    """Applies `layers` operations, each drawn uniformly, one after the other.

    Args:
        image: values in [0, 255].
        key: the key of this draw.
        layers: number of operations.
        magnitude: strength of each, 0 to 30; geometry and enhancements take a random sign.

    Returns:
        the changed image, values in [0, 255].
    """
    strength = magnitude / MAX_MAGNITUDE
    draws = tf.random.stateless_uniform([layers, 2], key, alg="philox")
    for layer in range(layers):
        choice = tf.cast(draws[layer, 0] * len(OPERATIONS), tf.int32)
        signed = tf.where(draws[layer, 1] < 0.5, -strength, strength)
        branches = [_bind(operation, image, signed) for operation in OPERATIONS.values()]
        # A uniform draw just below 1 may round up to the number of operations: the last branch takes it.
        image = tf.switch_case(choice, branches)
        image = tf.ensure_shape(image, [None, None, 3])
    return image


def _bind(operation: Callable[[Image, Strength], Image], image: Image, signed: Strength) -> Callable[[], Image]:
    return lambda: operation(image, signed)


def identity(image: Image, signed: Strength) -> Image:
    """The image itself."""
    del signed
    return image


def shear_x(image: Image, signed: Strength) -> Image:
    """Shifts each row in proportion to its distance from the middle, by up to 0.3 pixels per row."""
    return _affine(image, [[1.0, 0.3 * signed], [0.0, 1.0]])


def shear_y(image: Image, signed: Strength) -> Image:
    """Shifts each column in proportion to its distance from the middle, by up to 0.3 pixels per column."""
    return _affine(image, [[1.0, 0.0], [0.3 * signed, 1.0]])


def translate_x(image: Image, signed: Strength) -> Image:
    """Moves the image sideways by up to 150 / 331 of its width."""
    return _affine(image, [[1.0, 0.0], [0.0, 1.0]], shift=(150.0 / 331.0 * signed, 0.0))


def translate_y(image: Image, signed: Strength) -> Image:
    """Moves the image up or down by up to 150 / 331 of its height."""
    return _affine(image, [[1.0, 0.0], [0.0, 1.0]], shift=(0.0, 150.0 / 331.0 * signed))


def rotate(image: Image, signed: Strength) -> Image:
    """Turns the image about its centre by up to 30 degrees."""
    angle = signed * math.radians(30.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return _affine(image, [[cosine, -sine], [sine, cosine]])


def brightness(image: Image, signed: Strength) -> Image:
    """Scales the values by 1 ± 0.9."""
    return _blend(tf.zeros_like(image), image, signed)


def color(image: Image, signed: Strength) -> Image:
    """Scales the distance to the pixel's grey by 1 ± 0.9."""
    return _blend(_grey(image), image, signed)


def contrast(image: Image, signed: Strength) -> Image:
    """Scales the distance to the image's mean grey by 1 ± 0.9."""
    return _blend(tf.fill(tf.shape(image), tf.round(tf.reduce_mean(_grey(image)))), image, signed)


def sharpness(image: Image, signed: Strength) -> Image:
    """Scales the distance to a smoothed image by 1 ± 0.9; the outermost pixels stay as they are."""
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13.0
    kernel = tf.tile(kernel[:, :, None, None], [1, 1, 3, 1])
    smooth = tf.nn.depthwise_conv2d(image[None], kernel, [1, 1, 1, 1], "VALID")[0]
    # A constant mask in place of padding the smooth image keeps the border exact.
    padded = tf.pad(smooth, [[1, 1], [1, 1], [0, 0]])
    inside = tf.pad(tf.ones(tf.shape(smooth)[:2]), [[1, 1], [1, 1]])[..., None] > 0
    return _blend(tf.where(inside, padded, image), image, signed)


def posterize(image: Image, signed: Strength) -> Image:
    """Keeps the highest 8 to 4 bits of each value."""
    dropped = tf.cast(tf.round(4.0 * tf.abs(signed)), tf.float32)
    step = tf.pow(2.0, dropped)
    return tf.floor(_bytes(image) / step) * step


def solarize(image: Image, signed: Strength) -> Image:
    """Inverts the values from a threshold on, which falls from 255 to 0."""
    values = _bytes(image)
    return tf.where(values >= 255.0 * (1.0 - tf.abs(signed)), 255.0 - values, values)


def autocontrast(image: Image, signed: Strength) -> Image:
    """Stretches each channel to the whole range."""
    del signed
    values = _bytes(image)
    low, high = tf.reduce_min(values, (0, 1)), tf.reduce_max(values, (0, 1))
    stretched = (values - low) * (255.0 / tf.maximum(high - low, 1.0))
    return tf.where(high > low, tf.clip_by_value(tf.floor(stretched + 1e-3), 0.0, 255.0), values)


def equalize(image: Image, signed: Strength) -> Image:
    """Spreads each channel's values so that all parts of the range are equally frequent."""
    del signed
    values = tf.cast(_bytes(image), tf.int32)
    return tf.cast(tf.stack([_equalized(values[..., channel]) for channel in range(3)], -1), tf.float32)


def _equalized(values: Int[tf.Tensor, "h w"]) -> Int[tf.Tensor, "h w"]:
    """One channel, as Pillow: the table is (pixels darker than v + step / 2) / step, the brightest value left out."""
    histogram = tf.math.bincount(tf.reshape(values, [-1]), minlength=256, maxlength=256)
    brightest = tf.reduce_max(values)
    step = (tf.reduce_sum(histogram) - histogram[brightest]) // 255
    table = (tf.cumsum(histogram, exclusive=True) + step // 2) // tf.maximum(step, 1)
    return tf.where(step > 0, tf.gather(tf.clip_by_value(table, 0, 255), values), values)


OPERATIONS: dict[str, Callable[[Image, Strength], Image]] = {
    function.__name__: function
    for function in (
        identity,
        shear_x,
        shear_y,
        translate_x,
        translate_y,
        rotate,
        brightness,
        color,
        contrast,
        sharpness,
        posterize,
        solarize,
        autocontrast,
        equalize,
    )
}


def _affine(image: Image, matrix: list[list], shift: tuple = (0.0, 0.0)) -> Image:
    """Each output pixel shows the input at matrix @ (its place - centre) + centre - shift x (width, height)."""
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    centre_y, centre_x = (size[0] - 1.0) / 2.0, (size[1] - 1.0) / 2.0
    (a, b), (c, d) = matrix
    offset_x = centre_x - a * centre_x - b * centre_y - shift[0] * size[1]
    offset_y = centre_y - c * centre_x - d * centre_y - shift[1] * size[0]
    transform = tf.stack([*map(tf.convert_to_tensor, (a, b, offset_x, c, d, offset_y)), 0.0, 0.0])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=transform[None],
        output_shape=tf.shape(image)[:2],
        fill_value=_FILL,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return moved[0]


def _blend(plain: Image, image: Image, signed: Strength) -> Image:
    """Pillow's enhancement: plain + (1 ± 0.9 strength) (image - plain)."""
    return tf.clip_by_value(plain + (1.0 + 0.9 * signed) * (image - plain), 0.0, 255.0)


def _grey(image: Image) -> Image:
    return tf.repeat(tf.round(tf.tensordot(image, tf.constant(LUMA), 1))[..., None], 3, -1)


def _bytes(image: Image) -> Image:
    return tf.round(tf.clip_by_value(image, 0.0, 255.0))
