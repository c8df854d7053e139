"""Random Erasing (Zhong, Zheng, Kang, Li, Yang, AAAI 2020): a rectangle of the view is covered with noise."""

from __future__ import annotations

import math

import tensorflow as tf
from jaxtyping import Float, Int

AREA = (0.02, 1 / 3)  # of the view; with RATIO the values of torchvision, the paper's being 0.02 to 0.4
RATIO = (0.3, 3.3)  # height / width

_DRAWS = 10  # before the view is left as it is


def erase(image: Float[tf.Tensor, "h w 3"], key: Int[tf.Tensor, " 2"], probability: float) -> Float[tf.Tensor, "h w 3"]:
    """Covers a random rectangle with uniform noise in [0, 255], with the probability `probability`.

    Its area is uniform in `AREA` and the logarithm of its ratio in `RATIO`; the first of ten draws that fits counts.

    Args:
        image: values in [0, 255].
        key: the key of this draw.
        probability: in [0, 1].
    """
    draws = tf.random.stateless_uniform([_DRAWS + 1, 4], key, alg="philox")
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    area = tf.reduce_prod(shape) * (AREA[0] + (AREA[1] - AREA[0]) * draws[:-1, 0])
    log_low, log_high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = tf.exp(log_low + (log_high - log_low) * draws[:-1, 1])
    sides = tf.round(tf.sqrt(tf.stack([area * ratio, area / ratio], 1)))
    fits = tf.reduce_all((sides >= 1.0) & (sides < shape), 1)
    first = tf.argmax(fits)
    erases = (draws[-1, 0] < probability) & tf.reduce_any(fits)
    size = tf.where(erases, sides[first], 0.0)
    begin = tf.floor(draws[first, 2:] * (shape - size + 1.0))
    rows, columns = tf.range(shape[0])[:, None], tf.range(shape[1])[None]
    inside = (rows >= begin[0]) & (rows < begin[0] + size[0]) & (columns >= begin[1]) & (columns < begin[1] + size[1])
    # The inverted key makes the noise independent of the rectangle's numbers.
    noise = tf.random.stateless_uniform(tf.shape(image), tf.bitwise.invert(key), 0.0, 255.0, alg="philox")
    return tf.where(inside[..., None], noise, image)
