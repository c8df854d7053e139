"""Random changes of colour: brightness, contrast, saturation and hue, as one linear map of the pixels."""

from __future__ import annotations

import math

import tensorflow as tf
from jaxtyping import Float, Int

from jdnet_jax.data.rand_augment import LUMA


def color_jitter(
    image: Float[tf.Tensor, "h w 3"],
    key: Int[tf.Tensor, " 2"],
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Float[tf.Tensor, "h w 3"]:
    """Random brightness, contrast, saturation and hue, in this order, without clipping in between.

    The first three scale by a factor uniform in [1 - strength, 1 + strength]: of the values, of their distance to the
    mean grey of the photo, of their distance to the pixel's grey. Hue turns the colours about the grey axis by an angle
    uniform in [-strength, strength] turns. All four are linear in the pixel, so together they are one 3x3 matrix and
    one offset, a fraction of the cost of a conversion to HSV and back (OURS; greys keep their value under both).

    Args:
        image: values in [0, 255].
        key: the key of this draw.
        brightness: strength, in [0, 1]; 0 leaves the property alone.
        contrast: strength, in [0, 1].
        saturation: strength, in [0, 1].
        hue: strength, in [0, 0.5] turns.
    """
    strengths = tf.constant([brightness, contrast, saturation, hue], tf.float32)
    draws = strengths * tf.random.stateless_uniform([4], key, -1.0, 1.0, alg="philox")
    return change_colors(image, *tf.unstack(tf.constant([1.0, 1.0, 1.0, 0.0]) + draws))


def change_colors(
    image: Float[tf.Tensor, "h w 3"],
    brightness: Float[tf.Tensor, ""],
    contrast: Float[tf.Tensor, ""],
    saturation: Float[tf.Tensor, ""],
    hue: Float[tf.Tensor, ""],
) -> Float[tf.Tensor, "h w 3"]:
    """The colour change of `color_jitter` for known factors and a known hue, in turns."""
    identity = tf.eye(3)
    to_grey = tf.tile(tf.constant([LUMA]), [3, 1])  # every output channel is the pixel's luma
    cosine, sine = tf.cos(2.0 * math.pi * hue), tf.sin(2.0 * math.pi * hue)
    # Rodrigues' rotation about (1, 1, 1) / sqrt(3).
    cross = tf.constant([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
    turn = cosine * identity + (1.0 - cosine) / 3.0 * tf.ones([3, 3]) + sine * cross
    matrix = contrast * brightness * turn @ (saturation * identity + (1.0 - saturation) * to_grey)
    mean_grey = brightness * tf.tensordot(tf.reduce_mean(image, (0, 1)), tf.constant(LUMA), 1)
    # Saturation and hue leave greys alone, so the contrast's offset passes them unchanged.
    return tf.tensordot(image, matrix, [[2], [1]]) + (1.0 - contrast) * mean_grey
