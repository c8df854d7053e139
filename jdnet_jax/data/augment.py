"""From one encoded photo to the pixels that a network sees: random views for training, the central view for evaluation.

Every function is a pure function of the encoded bytes and, for training, of a key, so a photo is augmented alike
however it is reached: after a resume, on another host, in another batch.

Resampling is bilinear with antialiasing (the filter widens when shrinking), for training and evaluation alike: a photo
shrunk without it shows the network aliases that a phone's camera pipeline never makes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict

from jdnet_jax.data.rand_augment import LUMA, rand_augment
from jdnet_jax.data.random_erasing import erase

# Added to a photo's key, so that its crop, flip and colours are independent draws: TensorFlow scrambles a stateless
# seed with Philox, so neighbouring seeds are as good as distant ones.
_CROP, _FLIP, _COLOR, _RAND_AUGMENT, _ERASE = ((i, 0) for i in range(5))

_CROP_DRAWS = 10  # before the whole photo is taken


def random_view(
    encoded: tf.Tensor, key: Int[tf.Tensor, " 2"], image_size: int, augment: ConfigDict
) -> UInt8[tf.Tensor, "size size 3"]:
    """One random training view: crop, resize, flip, colours, RandAugment, erasing, rounded to uint8.

    The crop is Inception's (Szegedy et al., CVPR 2015, section 6), drawn by `crop_window`.

    Args:
        encoded: the photo's bytes, JPEG or anything that `tf.io.decode_image` reads.
        key: the photo's own key.
        image_size: side of the result in pixels.
        augment: `crop_scale` (low, high) as fractions of the area, `crop_ratio` (low, high) width / height, `flip`
            bool, `color_jitter` {brightness, contrast, saturation, hue: strength} as in `color_jitter`, `rand_augment`
            {layers, magnitude} as in `rand_augment.rand_augment`, `erasing`: probability of `random_erasing.erase`.
    """
    image = _resize(random_crop(encoded, key, augment), [image_size, image_size])
    if augment.flip:
        flipped = tf.random.stateless_uniform([], key + _FLIP, alg="philox") < 0.5
        image = tf.cond(flipped, lambda: tf.reverse(image, [1]), lambda: image)
    if any(augment.color_jitter.values()):
        image = color_jitter(image, key + _COLOR, **augment.color_jitter)
    if augment.rand_augment.layers:
        image = rand_augment(tf.clip_by_value(image, 0.0, 255.0), key + _RAND_AUGMENT, **augment.rand_augment)
    if augment.erasing:
        image = erase(image, key + _ERASE, augment.erasing)
    return _to_uint8(image, image_size)


def random_crop(encoded: tf.Tensor, key: Int[tf.Tensor, " 2"], augment: ConfigDict) -> UInt8[tf.Tensor, "h w 3"]:
    """The part of a photo that `random_view` shows for this key, in the photo's own pixels.

    Of a JPEG nothing else is decoded.
    """

    def window(shape: Int[tf.Tensor, " 3"]) -> Int[tf.Tensor, " 4"]:
        return crop_window(shape, key + _CROP, augment.crop_scale, augment.crop_ratio)

    def from_jpeg() -> UInt8[tf.Tensor, "h w 3"]:
        return tf.image.decode_and_crop_jpeg(encoded, window(tf.io.extract_jpeg_shape(encoded)), channels=3)

    def from_other() -> UInt8[tf.Tensor, "h w 3"]:
        image = _decode(encoded)
        top, left, height, width = tf.unstack(window(tf.shape(image)))
        return image[top : top + height, left : left + width]

    return tf.cond(tf.io.is_jpeg(encoded), from_jpeg, from_other)


def crop_window(
    shape: Int[tf.Tensor, " 3"], key: Int[tf.Tensor, " 2"], scale: Sequence[float], ratio: Sequence[float]
) -> Int[tf.Tensor, " 4"]:
    """A random crop of a photo: top, left, height and width in pixels.

    Its area is uniform in `scale` and the logarithm of its aspect ratio in `ratio`, its place uniform among those that
    lie inside. The first of ten draws that fits counts, as in torchvision's RandomResizedCrop; where none fits, the
    whole photo. (`tf.image.sample_distorted_bounding_box` draws the side lengths uniformly, so its crops are smaller.)

    Args:
        shape: height, width and channels of the photo.
        key: the key of this draw.
        scale: lowest and highest area, as shares of the photo's.
        ratio: lowest and highest width / height.
    """
    photo = tf.cast(shape[:2], tf.float32)
    draws = tf.random.stateless_uniform([_CROP_DRAWS, 4], key, alg="philox")
    area = tf.reduce_prod(photo) * (scale[0] + (scale[1] - scale[0]) * draws[:, 0])
    log_low, log_high = math.log(ratio[0]), math.log(ratio[1])
    aspect = tf.exp(log_low + (log_high - log_low) * draws[:, 1])
    sides = tf.round(tf.sqrt(tf.stack([area / aspect, area * aspect], 1)))
    fits = tf.reduce_all((sides >= 1.0) & (sides <= photo), 1)
    first = tf.argmax(fits)
    size = tf.where(tf.reduce_any(fits), sides[first], photo)
    # A draw just below 1 may round up to the place after the last.
    begin = tf.minimum(tf.floor(draws[first, 2:] * (photo - size + 1.0)), photo - size)
    return tf.cast(tf.concat([begin, size], 0), tf.int32)


def central_view(encoded: tf.Tensor, image_size: int, crop_fraction: float) -> UInt8[tf.Tensor, "size size 3"]:
    """The evaluation view: shorter side to round(image_size / crop_fraction), then the central square.

    Args:
        encoded: the photo's bytes.
        image_size: side of the result in pixels.
        crop_fraction: in (0, 1]; 0.875 is ImageNet's custom (256 to 224).
    """
    image = _decode(encoded)
    resized = max(image_size, round(image_size / crop_fraction))
    shape = tf.shape(image)[:2]
    scale = resized / tf.reduce_min(shape)  # float64: the shorter side becomes `resized` exactly
    shape = tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32)
    image = _resize(image, shape)
    top, left = tf.unstack((shape - image_size) // 2)
    return _to_uint8(image[top : top + image_size, left : left + image_size], image_size)


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
        contrast: likewise.
        saturation: likewise.
        hue: likewise, in [0, 0.5].
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
    """The colour change of `color_jitter` for given factors and a given hue in turns."""
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


def _decode(encoded: tf.Tensor) -> UInt8[tf.Tensor, "h w 3"]:
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def _resize(image: UInt8[tf.Tensor, "h w 3"], shape: Sequence[int] | tf.Tensor) -> Float[tf.Tensor, "h w 3"]:
    # Where nothing shrinks, the plain kernel computes the same in a fraction of the time.
    shrinks = tf.reduce_any(tf.shape(image)[:2] > shape)
    return tf.cond(
        shrinks,
        lambda: tf.image.resize(image, shape, method="bilinear", antialias=True),
        lambda: tf.image.resize(image, shape, method="bilinear"),
    )


def _to_uint8(image: Float[tf.Tensor, "size size 3"], image_size: int) -> UInt8[tf.Tensor, "size size 3"]:
    image = tf.ensure_shape(image, [image_size, image_size, 3])
    return tf.saturate_cast(tf.round(image), tf.uint8)
