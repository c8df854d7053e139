"""Balancing of classes: how often each training photo is seen in an epoch if classes are to be seen equally often.

Of a class with n photos a share proportional to n ** (1 - balance) of an epoch's positions is drawn (Kang et al.,
"Decoupling Representation and Classifier", ICLR 2020, equation 1): at 0 every photo is seen once, at 1 all classes
are seen equally often, and 1/2 is square-root sampling (Mahajan et al., ECCV 2018). OURS: nothing is left to chance. An
epoch holds as many photos as train, each class its share of them, rounded; in each epoch the photos of a class are seen
equally often, or some of them once more than the others, and those take turns from epoch to epoch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int


class Turns(NamedTuple):
    """The numbers that decide how often each training photo is seen in an epoch, in file order.

    Attributes:
        rank: its number among the photos of its class, from 0.
        of_class: number of photos of its class.
        quota: number of positions of an epoch for its class.
    """

    rank: Int[np.ndarray, " n"]
    of_class: Int[np.ndarray, " n"]
    quota: Int[np.ndarray, " n"]


def shares(counts: Int[np.ndarray, " classes"], balance: float) -> Float[np.ndarray, " classes"]:
    """The share of each class in an epoch; 0 for a class without photos.

    Args:
        counts: photos of each class, one of them at least 1.
        balance: in [0, 1].

    >>> shares(np.array([16, 4]), 0.5).round(3).tolist()
    [0.667, 0.333]
    """
    powers = np.where(counts > 0, np.maximum(counts, 1.0) ** (1.0 - balance), 0.0)
    return powers / powers.sum()


def quotas(counts: Int[np.ndarray, " classes"], balance: float) -> Int[np.ndarray, " classes"]:
    """The number of positions of each class in an epoch as long as the photos; the largest remainders are rounded up.

    Args:
        counts: see `shares`.
        balance: see `shares`.

    >>> quotas(np.array([7, 2, 1]), 1.0).tolist()
    [4, 3, 3]
    """
    total = int(counts.sum())
    exact = shares(counts, balance) * total
    whole = np.floor(exact + 1e-9).astype(np.int64)
    first = np.argsort(whole - exact, kind="stable")[: total - int(whole.sum())]
    whole[first] += 1
    return whole


def weights(counts: Int[np.ndarray, " classes"], balance: float) -> tuple[float, ...]:
    """The loss weight of a photo of each class if all are seen once: `shares` over the class's share of the photos.

    It is proportional to n ** -balance, and 1 in the mean over the photos.

    Args:
        counts: see `shares`.
        balance: see `shares`.

    >>> weights(np.array([3, 1]), 1.0)
    (0.6666666666666666, 2.0)
    """
    proportions = counts / counts.sum()
    return tuple(np.divide(shares(counts, balance), proportions, out=np.zeros(len(counts)), where=counts > 0).tolist())


def turns(labels: Int[np.ndarray, " n"], balance: float) -> Turns:
    """The turns of the training photos.

    Args:
        labels: labels of each photo, in file order.
        balance: in [0, 1].
    """
    counts = np.bincount(labels)
    rank = np.empty(len(labels), np.int64)
    order = np.argsort(labels, kind="stable")
    first = np.cumsum(counts) - counts
    rank[order] = np.arange(len(labels)) - first[labels[order]]
    return Turns(rank, counts[labels], quotas(counts, balance)[labels])


def times(
    rank: Int[tf.Tensor, " n"],
    of_class: Int[tf.Tensor, " n"],
    quota: Int[tf.Tensor, " n"],
    epoch: Int[tf.Tensor, ""],
) -> Int[tf.Tensor, " n"]:
    """The number of times that photos are seen in an epoch.

    Each photo of a class of n is seen quota // n times, and quota % n of them once more: those whose turn it is,
    beginning where the epoch before ended.

    Args:
        rank: see `Turns`.
        of_class: see `Turns`.
        quota: see `Turns`.
        epoch: number of the epoch, from 0.
    """
    more = quota % of_class
    return quota // of_class + tf.cast((rank - epoch * more) % of_class < more, quota.dtype)
