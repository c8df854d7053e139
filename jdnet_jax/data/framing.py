"""Framing: how a photo of any shape and its mask become squares, stretched, cropped, or padded with the aspect kept.

`crop` is the custom of classification. `pad` is PAPER (RveRNet, Jin, 2024, as released): the longer side becomes the
view's and the rest is grey 125. OURS: the photo lies in the middle, and it is padded before the region of interest is
cut out, so that the padding is part of the context and ROI + context = photo there too.
"""

from __future__ import annotations

import tensorflow as tf
from jaxtyping import Float, Int, UInt8

CROP, PAD = "crop", "pad"
GREY = 125


def shape_inside(shape: Int[tf.Tensor, " 2"], size: int) -> Int[tf.Tensor, " 2"]:
    """Height and width of a photo whose longer side becomes `size`, rounded, at least 1."""
    scale = size / tf.reduce_max(shape)  # float64: the longer side becomes `size` exactly
    return tf.maximum(tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32), 1)


def pad_to_square(image: Float[tf.Tensor, "h w channels"], size: int, value: float) -> tf.Tensor:
    """The image in the middle of a square of `size` pixels that is filled up with `value`."""
    room = size - tf.shape(image)[:2]
    before = room // 2
    paddings = tf.concat([tf.stack([before, room - before], 1), [[0, 0]]], 0)
    return tf.pad(image, paddings, constant_values=tf.cast(value, image.dtype))


def decode_mask(encoded: tf.Tensor) -> UInt8[tf.Tensor, "h w 1"]:
    """A mask file of one channel as 1 on the region of interest and 0 elsewhere; any value but 0 is the region."""
    mask = tf.io.decode_png(encoded, channels=1)
    return tf.cast(mask > 0, tf.uint8)


def resize_mask(mask: UInt8[tf.Tensor, "h w 1"], shape: Int[tf.Tensor, " 2"]) -> UInt8[tf.Tensor, "new_h new_w 1"]:
    """A mask resized by nearest neighbour, so that it stays 0 and 1, with the pixel centres of bilinear resizing."""
    return tf.image.resize(mask, shape, method="nearest")
