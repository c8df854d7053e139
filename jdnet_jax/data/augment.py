"""Views of an encoded photo: random ones (augmentation) for training, the central one for evaluation.

Every function is a pure function of the encoded bytes and, for training, of a key, so a photo gets the same
augmentation after a resume, on another host, or in another batch.

Resampling is bilinear. Evaluation shrinks with antialiasing (the filter widens with the factor), as a phone's camera
pipeline does. Training must be quick: a JPEG is decoded at the smallest of the format's scales (1, 1/2, 1/4, 1/8: fewer
coefficients of each block) that is at least 7/8 of the view, which averages pixels and saves time. The remaining
factor, below 1.75 on the shorter side, is plain bilinear. From a factor of 3 on, which only other formats and narrow
crops reach, training is antialiased too.

Where a photo comes with the mask of its region of interest, the two go through one geometry: the same crop, frame and
flip. Colours are changed before anything is cut out by the mask, so both parts change alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict

from jdnet_jax.data import framing, photo_limits
from jdnet_jax.data.color_jitter import color_jitter
from jdnet_jax.data.rand_augment import rand_augment
from jdnet_jax.data.random_erasing import erase

# Added to a photo's key, so that its crop, flip and colours are independent draws: TensorFlow scrambles a stateless
# seed with Philox, so neighbouring seeds are as good as distant ones.
_GEOMETRY, _COLOR, _RAND_AUGMENT, _ERASE, _SHIFT = ((i, 0) for i in range(5))

_CROP_DRAWS = 10  # before the whole photo is taken
_JPEG_SCALES = (1, 2, 4, 8)  # the decoder's denominators
_LEAST_DECODED = 7 / 8  # of the view's side: enlarging by a seventh loses less than plain shrinking by nearly 2
_TRAIN_ANTIALIAS_FROM = 3  # factor of shrinking at which plain bilinear skips one pixel of three

#: (photo, `crop_window`'s draws, the view's side, `config.augment`) -> the crop's pixels, and its top, left, height and
#: width in the photo's pixels.
Crop = Callable[..., tuple[tf.Tensor, tf.Tensor]]


def crop_encoded(
    encoded: tf.Tensor, draws: Float[tf.Tensor, "draws 4"], image_size: int, augment: ConfigDict
) -> tuple[UInt8[tf.Tensor, "h w 3"], Int[tf.Tensor, " 4"]]:
    """The `Crop` of a photo's bytes. A JPEG is decoded only there, at the smallest sufficient scale."""
    # What is computed in a branch costs time even where another is taken, so the branches hold only what differs.
    shape, pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: (tf.io.extract_jpeg_shape(encoded), tf.zeros([0, 0, 3], tf.uint8)),
        lambda: _decoded_with_shape(encoded),
    )
    window = crop_window(shape, draws, augment.crop_scale, augment.crop_ratio)
    least = tf.constant([math.ceil(_LEAST_DECODED * image_size * scale) for scale in _JPEG_SCALES[1:]], tf.int32)
    halvings = tf.reduce_sum(tf.cast(tf.reduce_min(window[2:]) >= least, tf.int32))
    denominator = tf.bitwise.left_shift(1, halvings)
    begin = window[:2] // denominator
    end = -(-(window[:2] + window[2:]) // denominator)  # rounded up, as the decoder rounds the photo's size
    scaled = tf.concat([begin, end - begin], 0)

    def from_jpeg(ratio: int) -> Callable[[], UInt8[tf.Tensor, "h w 3"]]:
        return lambda: tf.image.decode_and_crop_jpeg(encoded, scaled, channels=3, ratio=ratio)

    def from_pixels() -> UInt8[tf.Tensor, "h w 3"]:
        return tf.slice(pixels, [window[0], window[1], 0], [window[2], window[3], 3])

    branches = [from_pixels, *map(from_jpeg, _JPEG_SCALES)]
    is_decoded = tf.size(pixels) > 0
    crop = tf.switch_case(tf.where(is_decoded, 0, 1 + halvings), branches)
    top_left, bottom_right = begin * denominator, tf.minimum(end * denominator, shape[:2])
    region = tf.where(is_decoded, window, tf.concat([top_left, bottom_right - top_left], 0))
    return crop, region


def random_view(
    photo: tf.Tensor,
    key: Int[tf.Tensor, " 2"],
    image_size: int,
    augment: ConfigDict,
    *,
    fit: str = framing.CROP,
    mask: tf.Tensor | None = None,
    crop_of: Crop = crop_encoded,
) -> UInt8[tf.Tensor, "size size channels"]:
    """One random training view: crop, resize, shift, colours, RandAugment, erasing, flip, rounded to uint8.

    The crop is Inception's (Szegedy et al., CVPR 2015, section 6), drawn by `crop_window`.

    Args:
        photo: its bytes, JPEG or anything that `tf.io.decode_image` reads, or what else `crop_of` takes.
        key: the photo's random key.
        image_size: side of the result in pixels.
        augment: `crop_scale` (low, high) as fractions of the area, `crop_ratio` (low, high) width / height, `pad`
            pixels as in `shift`, `flip` bool, `color_jitter` {brightness, contrast, saturation, hue: strength} as in
            `color_jitter.color_jitter`, `rand_augment` {layers, magnitude} as in `rand_augment.rand_augment`,
            `erasing`: probability of `random_erasing.erase`.
        fit: how the crop becomes a square: `crop` stretches it, `pad` keeps its aspect, see `framing`.
        mask: the bytes of the photo's mask, of its height and width, PNG; RandAugment and `pad`, which move pixels,
            must be off.
        crop_of: takes the crop from the photo.

    Returns:
        RGB, and where there is a mask as a fourth channel 1 on the region of interest and 0 elsewhere.
    """
    draws = _geometry_draws(key)
    crop, region = crop_of(photo, draws[:-1], image_size, augment)
    pads = fit == framing.PAD
    shape = framing.shape_inside(tf.shape(crop)[:2], image_size) if pads else [image_size, image_size]
    image = _resize(crop, shape, antialias_from=_TRAIN_ANTIALIAS_FROM)
    if augment.pad:
        image = shift(image, key + _SHIFT, augment.pad)
    if any(augment.color_jitter.values()):
        image = tf.clip_by_value(color_jitter(image, key + _COLOR, **augment.color_jitter), 0.0, 255.0)
    if augment.rand_augment.layers:
        image = rand_augment(image, key + _RAND_AUGMENT, **augment.rand_augment)
    if augment.erasing:
        image = erase(image, key + _ERASE, augment.erasing)
    if pads:
        image = framing.pad_to_square(image, image_size, framing.GREY)
    view = _to_uint8(image, image_size)
    if mask is not None:
        cut = tf.slice(framing.decode_mask(mask), [region[0], region[1], 0], [region[2], region[3], 1])
        view = _with_mask(view, framing.resize_mask(cut, shape), image_size)
    if augment.flip:
        # Over the axes [1], or over none: much cheaper than a conditional.
        view = tf.reverse(view, tf.range(1, 1 + tf.cast(draws[-1, 0] < 0.5, tf.int32)))
    return view


def random_crop(
    photo: tf.Tensor,
    key: Int[tf.Tensor, " 2"],
    image_size: int,
    augment: ConfigDict,
    *,
    crop_of: Crop = crop_encoded,
) -> UInt8[tf.Tensor, "h w 3"]:
    """The window of a photo that `random_view` shows for this key.

    A JPEG is decoded only there, at the smallest scale at which both sides are at least 7/8 of `image_size`, or at full
    scale; other formats are cropped from the photo's pixels. The borders are exact to a pixel of that scale.

    Args:
        photo: its bytes, or what else `crop_of` takes.
        key: the photo's random key.
        image_size: side of the view in pixels.
        augment: see `random_view`.
        crop_of: as for `random_view`.
    """
    return crop_of(photo, _geometry_draws(key)[:-1], image_size, augment)[0]


def _geometry_draws(key: Int[tf.Tensor, " 2"]) -> Float[tf.Tensor, "draws+1 4"]:
    """The random numbers for `crop_window`, and one more row whose first number decides the flip.

    They are drawn together, because each draw of TensorFlow costs a dozen operations, whatever its size.
    """
    return tf.random.stateless_uniform([_CROP_DRAWS + 1, 4], key + _GEOMETRY, alg="philox")


def crop_window(
    shape: Int[tf.Tensor, " 3"], draws: Float[tf.Tensor, "draws 4"], scale: Sequence[float], ratio: Sequence[float]
) -> Int[tf.Tensor, " 4"]:
    """A random crop of a photo: top, left, height and width in pixels.

    Its area is uniform in `scale` and the logarithm of its aspect ratio in `ratio`, its place uniform among those that
    lie inside. The first draw that fits counts, as in torchvision's RandomResizedCrop; where none fits, the whole
    photo. (`tf.image.sample_distorted_bounding_box` draws the side lengths uniformly, so its crops are smaller.)

    Args:
        shape: height, width and channels of the photo.
        draws: uniform in [0, 1): area, aspect ratio, vertical and horizontal place of each draw.
        scale: lowest and highest area, as shares of the photo's.
        ratio: lowest and highest width / height.
    """
    photo = tf.cast(shape[:2], tf.float32)[None]
    low = tf.constant([scale[0], math.log(ratio[0]), 0.0, 0.0])
    high = tf.constant([scale[1], math.log(ratio[1]), 1.0, 1.0])
    draws = low + (high - low) * draws
    area, log_aspect, place = draws[:, :1], draws[:, 1:2], draws[:, 2:]
    # height = sqrt(area / aspect), width = sqrt(area * aspect)
    sides = tf.round(tf.sqrt(tf.reduce_prod(photo) * area * tf.exp(log_aspect * [[-1.0, 1.0]])))
    # The whole photo stands last and always fits; there its place is (0, 0) whatever is drawn.
    candidates = tf.concat([tf.concat([sides, photo], 0), tf.pad(place, [[0, 1], [0, 0]])], 1)
    sides = candidates[:, :2]
    first = tf.argmax(tf.reduce_all((sides >= 1.0) & (sides <= photo), 1))
    size, place = tf.split(tf.gather(candidates, first), 2)
    room = photo[0] - size
    # A draw just below 1 may round up to the place after the last.
    begin = tf.minimum(tf.floor(place * (room + 1.0)), room)
    return tf.cast(tf.concat([begin, size], 0), tf.int32)


def shift(image: Float[tf.Tensor, "h w 3"], key: Int[tf.Tensor, " 2"], pad: int) -> Float[tf.Tensor, "h w 3"]:
    """A randomly shifted view, filled with black at its borders: CIFAR's customary augmentation.

    The offset is uniform among the (2 pad + 1)^2 possible ones. (He et al., CVPR 2016, section 4.2, pad by 4.)

    Args:
        image: a view.
        key: the key of this draw.
        pad: pixels of black on each side.
    """
    begin = tf.random.stateless_uniform([2], key, 0, 2 * pad + 1, tf.int32, alg="philox")
    return tf.slice(tf.pad(image, [[pad, pad], [pad, pad], [0, 0]]), tf.concat([begin, [0]], 0), tf.shape(image))


def central_view(
    encoded: tf.Tensor,
    image_size: int,
    crop_fraction: float,
    *,
    fit: str = framing.CROP,
    mask: tf.Tensor | None = None,
) -> UInt8[tf.Tensor, "size size channels"]:
    """The evaluation view: shorter side to round(image_size / crop_fraction), then the central square; or all, padded.

    Args:
        encoded: the photo's bytes.
        image_size: side of the result in pixels.
        crop_fraction: in (0, 1]; 0.875 is ImageNet's custom (256 to 224). Not used where the photo is padded.
        fit: `crop`, or `pad` for the whole photo, see `framing`.
        mask: as for `random_view`.

    Returns:
        as `random_view`.
    """
    image = _within_limits(_decode(encoded))
    if fit == framing.PAD:
        shape = framing.shape_inside(tf.shape(image)[:2], image_size)
        padded = framing.pad_to_square(_resize(image, shape, antialias_from=1), image_size, framing.GREY)
        view = _to_uint8(padded, image_size)
        if mask is None:
            return view
        return _with_mask(view, framing.resize_mask(framing.decode_mask(mask), shape), image_size)
    resized = max(image_size, round(image_size / crop_fraction))
    shape = tf.shape(image)[:2]
    scale = resized / tf.reduce_min(shape)  # float64: the shorter side becomes `resized` exactly
    shape = tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32)
    image = _resize(image, shape, antialias_from=1)
    top, left = tf.unstack((shape - image_size) // 2)
    view = _to_uint8(image[top : top + image_size, left : left + image_size], image_size)
    if mask is None:
        return view
    whole = framing.resize_mask(framing.decode_mask(mask), shape)
    return _with_mask(view, whole[top : top + image_size, left : left + image_size], image_size)


def shrunk(encoded: tf.Tensor, side: int) -> UInt8[tf.Tensor, "h w 3"]:
    """The photo with its shorter side shrunk to `side` pixels, antialiased; a smaller photo stays as it is."""
    image = _within_limits(_decode(encoded))
    shape = tf.shape(image)[:2]
    scale = side / tf.reduce_min(shape)  # float64: the shorter side becomes `side` exactly
    smaller = tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32)
    return tf.cond(
        scale < 1.0, lambda: tf.cast(_resize(image, smaller, antialias_from=1) + 0.5, tf.uint8), lambda: image
    )


def _with_mask(
    view: UInt8[tf.Tensor, "size size 3"], mask: UInt8[tf.Tensor, "h w 1"], image_size: int
) -> UInt8[tf.Tensor, "size size 4"]:
    """The view with the mask as its last channel; a smaller mask is padded with 0 (no region), as the view was."""
    mask = framing.pad_to_square(mask, image_size, 0)
    return tf.concat([view, tf.ensure_shape(mask, [image_size, image_size, 1])], -1)


def _decode(encoded: tf.Tensor) -> UInt8[tf.Tensor, "h w 3"]:
    """The decoded photo; a JPEG uses the accurate transform, as in Pillow and browsers."""
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    image.set_shape([None, None, 3])
    return image


def _within_limits(image: UInt8[tf.Tensor, "h w 3"]) -> UInt8[tf.Tensor, "h w 3"]:
    """The photo, once it is known to be no strip: TFDS's datasets may hold some, which resizing would blow up."""
    sides = tf.shape(image)[:2]
    ratio = [tf.reduce_max(sides), photo_limits.MAX_RATIO * tf.reduce_min(sides)]
    with tf.control_dependencies([tf.debugging.assert_less_equal(*ratio, message="a strip of a photo")]):
        return tf.identity(image)


def _decoded_with_shape(encoded: tf.Tensor) -> tuple[Int[tf.Tensor, " 3"], UInt8[tf.Tensor, "h w 3"]]:
    image = _decode(encoded)
    return tf.shape(image), image


def _resize(
    image: UInt8[tf.Tensor, "h w 3"], shape: Sequence[int] | tf.Tensor, antialias_from: int
) -> Float[tf.Tensor, "new_h new_w 3"]:
    """Bilinear resizing; antialiased, several times slower, where a side shrinks by this factor or more."""
    image = tf.cast(image, tf.float32)  # TensorFlow's kernel for float32 is vectorised, the one for uint8 is not
    return tf.cond(
        tf.reduce_all(tf.shape(image)[:2] < antialias_from * tf.convert_to_tensor(shape)),
        lambda: tf.image.resize(image, shape, method="bilinear"),
        lambda: tf.image.resize(image, shape, method="bilinear", antialias=True),
    )


def _to_uint8(image: Float[tf.Tensor, "size size 3"], image_size: int) -> UInt8[tf.Tensor, "size size 3"]:
    # Rounds, as the values are in [0, 255]: what was resized is a mean of pixels, and changes of colour are clipped.
    return tf.cast(tf.ensure_shape(image, [image_size, image_size, 3]) + 0.5, tf.uint8)
