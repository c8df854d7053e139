"""Mixup and CutMix: two photos of a batch become two mixtures with shares of both labels.

Mixup (Zhang, Cisse, Dauphin, Lopez-Paz, ICLR 2018) blends the pixels; CutMix (Yun et al., ICCV 2019) pastes a
rectangle. The partners are positions 2i and 2i + 1 of the global batch, so the pairs, like the batch, do not depend on
the number of processes or devices. Both photos of a pair are mixed with the same share, each with the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from jaxtyping import Float, Int
from ml_collections import ConfigDict

# Added to the key of a pair's first photo: draws independent of each other and of the photo's augmentation (`augment`).
_WHETHER, _WHICH, _MIXUP, _CUTMIX, _PLACE = ((16 + i, 0) for i in range(5))


def is_on(augment: ConfigDict) -> bool:
    """Whether the config mixes photos."""
    return bool(augment.mixup or augment.cutmix) and augment.mix_probability > 0


def mix_pairs(batch: Mapping[str, tf.Tensor], augment: ConfigDict) -> dict[str, tf.Tensor]:
    """Mixes each photo of a batch with its partner.

    Args:
        batch: `image` uint8 [n, size, size, channels], `label` [n], `key` [n, 2]: each photo's key; n is
            even, and photos 2i and 2i + 1 are partners.
        augment: `mixup` and `cutmix`: the parameter alpha of the share's Beta(alpha, alpha) distribution, 0 for off;
            where both are on, either with probability 1/2; `mix_probability`: share of the pairs that are mixed.

    Returns:
        the batch with mixed images, `mixed_label` [n]: the partner's label, and `share` float32 [n] in [0, 1]: how much
        of the mixture is the photo itself, the rest the partner; 1 where nothing was mixed.
    """
    images, keys = batch["image"], batch["key"]
    size, channels = images.shape[1], images.shape[3]
    keep, top, left, height, width = tf.map_fn(
        lambda key: _draw(key, augment, size),
        keys[::2],
        fn_output_signature=(tf.float32, tf.int32, tf.int32, tf.int32, tf.int32),
    )
    pairs = tf.reshape(images, [-1, 2, size, size, channels])
    inside = _rectangles(size, top, left, height, width)[:, None, :, :, None]
    # Where a rectangle is pasted `keep` is 1: the blend leaves the rest of the photo as it is.
    share = keep[:, None, None, None, None]
    photo, other = tf.cast(pairs, tf.float32), tf.cast(pairs[:, ::-1], tf.float32)
    mixed = tf.where(inside, other, share * photo + (1.0 - share) * other)
    pasted = tf.cast(height * width, tf.float32) / float(size * size)
    return {
        **batch,
        "image": tf.reshape(tf.saturate_cast(tf.round(mixed), tf.uint8), tf.shape(images)),
        "mixed_label": tf.reshape(tf.reshape(batch["label"], [-1, 2])[:, ::-1], [-1]),
        "share": tf.repeat(keep * (1.0 - pasted), 2),
    }


def _draw(key: Int[tf.Tensor, " 2"], augment: ConfigDict, size: int) -> tuple[tf.Tensor, ...]:
    """(share kept by the blend, and the top, left, height and width of the rectangle) of one pair."""
    mixes = tf.random.stateless_uniform([], key + _WHETHER, alg="philox") < augment.mix_probability
    chance = 0.5 if augment.mixup and augment.cutmix else float(bool(augment.cutmix))
    cuts = tf.random.stateless_uniform([], key + _WHICH, alg="philox") < chance
    keep = tf.where(mixes & ~cuts, _beta(key + _MIXUP, augment.mixup or 1.0), 1.0)
    # A square of the area 1 - share about a uniform centre, cut off at the border (Yun et al., equation 2).
    side = float(size) * tf.sqrt(1.0 - _beta(key + _CUTMIX, augment.cutmix or 1.0))
    centre = tf.random.stateless_uniform([2], key + _PLACE, alg="philox") * float(size)
    low = tf.cast(tf.clip_by_value(tf.round(centre - side / 2.0), 0.0, float(size)), tf.int32)
    high = tf.cast(tf.clip_by_value(tf.round(centre + side / 2.0), 0.0, float(size)), tf.int32)
    extent = tf.where(mixes & cuts, high - low, 0)
    return keep, low[0], low[1], extent[0], extent[1]


def _beta(key: Int[tf.Tensor, " 2"], alpha: float) -> Float[tf.Tensor, ""]:
    """One draw of Beta(alpha, alpha): g / (g + h) of two draws of Gamma(alpha)."""
    draws = tf.random.stateless_gamma([2], key, alpha, dtype=tf.float64)  # float32 underflows below alpha = 0.1
    return tf.cast(draws[0] / tf.reduce_sum(draws), tf.float32)


def _rectangles(
    size: int,
    top: Int[tf.Tensor, " pairs"],
    left: Int[tf.Tensor, " pairs"],
    height: Int[tf.Tensor, " pairs"],
    width: Int[tf.Tensor, " pairs"],
) -> tf.Tensor:
    """bool [pairs, size, size]: which pixels lie inside each pair's rectangle."""
    places = tf.range(size)[None]

    def within(begin: tf.Tensor, extent: tf.Tensor) -> tf.Tensor:
        return (places >= begin[:, None]) & (places < (begin + extent)[:, None])

    return within(top, height)[:, :, None] & within(left, width)[:, None, :]
