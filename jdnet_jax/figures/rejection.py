"""Rejection: a threshold on the probability below which a network answers "not sure", and its cost.

A classifier answers every photo, even one of none of its classes. The usual remedy is to accept an answer only if the
most probable class has a high probability (Hendrycks, Gimpel, ICLR 2017). How many photos of other things that rejects
cannot be known without such photos. How many photos of the known classes it rejects can be chosen, on photos that the
network was not trained on. So the threshold is the value below which at most a stated share of val lies.

With n photos of val, of which k = floor(share (n + 1)) may lie below it, the threshold is the k-th smallest of their
probabilities, and another photo of the same kind lies below it with a probability of at most k / (n + 1), whatever the
network (PAPER: split conformal prediction, Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005;
Lei et al., JASA, 2018). OURS: it is never above HIGHEST, and rounded down, both of which only reject fewer. The
energy of the logits (Liu et al., NeurIPS 2020) often recognises other things better; but exported files give only
probabilities, and one threshold has to hold for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jdnet_jax.figures import calibration, intervals

#: With fewer photos no threshold is fitted: at 5 % it would be one of the five smallest values, and move with each.
FEWEST = 100
#: Above, the rounding of an exported file decides and not the photo (OURS).
HIGHEST = 0.99

_DIGITS = 4


def fit(confidences: Float[np.ndarray, " n"], share: float) -> float:
    """The threshold: photos whose prediction has a lower probability are rejected.

    Args:
        confidences: the probability of the most probable class of each photo of val.
        share: share of photos like those of val that may be rejected, in [0, 1).

    Returns:
        a number in [0, HIGHEST]; 0, which rejects nothing, if the photos are too few for the share.

    >>> fit(np.array([0.9, 0.2, 0.8, 0.7, 0.6, 0.95, 0.85, 0.75, 0.65]), 0.2)  # the second smallest: 0.2 (9 + 1) = 2
    0.6
    """
    allowed = math.floor(share * (len(confidences) + 1) + 1e-9)  # 0.05 x 20 is below 1 in floating point, say
    if allowed == 0 or not np.all(np.isfinite(confidences)):
        return 0.0
    threshold = min(float(np.sort(confidences)[allowed - 1]), HIGHEST)
    return math.floor(threshold * 10**_DIGITS + 1e-6) / 10**_DIGITS


def of_splits(
    logits: Mapping[str, tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]],
    temperature: float,
    share: float,
    *,
    unseen: bool,
) -> dict[str, Any]:
    """The threshold and its effect on each split.

    Args:
        logits: split -> logits and labels; the threshold is fitted on `val`.
        temperature: the divisor of the logits.
        share: see `fit`; 0 for none.
        unseen: whether the network was not trained on val; there is no threshold where it was.

    Returns:
        `below`: the threshold, 0 for none; `share`; `fitted_on`: the number of photos, 0 where it is not fitted; and
        split -> `count`, `turned_away`, `right_turned_away` (those whose answer would have been right) and `top1` of
        the others, None where none is left.
    """
    sure = {split: calibration.confidences(scores, temperature) for split, (scores, _) in logits.items()}
    photos = len(sure["val"])
    fitted_on = photos if share > 0 and unseen and photos >= FEWEST else 0
    below = fit(sure["val"], share) if fitted_on else 0.0
    summary: dict[str, Any] = {"below": below, "share": share, "fitted_on": fitted_on}
    for split, (scores, labels) in logits.items():
        summary[split] = effect(sure[split], scores.argmax(axis=1) == labels, below)
    return summary


def effect(confidences: Float[np.ndarray, " n"], hits: Bool[np.ndarray, " n"], below: float) -> dict[str, Any]:
    """The effect of a threshold on photos: an entry of `of_splits`.

    Args:
        confidences: the probability of the most probable class of each photo.
        hits: whether that class is right.
        below: the threshold.
    """
    away = confidences < below
    rest = hits[~away]
    return {
        "count": len(hits),
        "turned_away": int(away.sum()),
        "right_turned_away": int((away & hits).sum()),
        "top1": float(rest.mean()) if len(rest) else None,
    }


def limit(below: float) -> str:
    """A threshold in words.

    >>> limit(0.4125)
    'a probability of 41.25 %'
    """
    return f"a probability of {100 * below:.4g} %"


def origin(summary: Mapping[str, Any]) -> str:
    """The origin of the threshold, or the reason why there is none, in words.

    Args:
        summary: from `of_splits`.

    >>> origin({"below": 0.0, "share": 0.05, "fitted_on": 0, "val": {"count": 16}})
    'it is never "not sure": val has 16 photos, and a threshold needs 100'
    """
    photos = summary["val"]["count"]
    if summary["below"] > 0:
        share = f"{100 * summary['share']:.3g} %"
        return f'it is "not sure" below {limit(summary["below"])}, which is so for {share} of {photos:,} photos of val'
    never = 'it is never "not sure"'
    if summary["share"] == 0:
        return f"{never}: config.not_sure is 0"
    if photos < FEWEST:
        return f"{never}: val has {photos} photos, and a threshold needs {FEWEST}"
    return f"{never}: {'no probability is as low' if summary['fitted_on'] else 'val is part of train'}"


def cost(of_split: Mapping[str, Any]) -> str:
    """The effect of the threshold on a split, in words.

    Args:
        of_split: an entry of `of_splits`.

    >>> cost({"count": 200, "turned_away": 10, "right_turned_away": 4, "top1": None})
    'it rejects 5 % of 200 (3 to 9), 4 of which were right'
    >>> cost({"count": 200, "turned_away": 0, "right_turned_away": 0, "top1": 0.9})
    'it rejects none of 200 photos'
    """
    count, away = of_split["count"], of_split["turned_away"]
    if not away:
        return f"it rejects none of {count:,} photos"
    share, right = intervals.share(away / count, count), f"{of_split['right_turned_away']:,}"
    told = f"it rejects {share}, {right} of which were right"
    if of_split["top1"] is None:
        return told
    return f"{told}; of the others {intervals.share(of_split['top1'], count - away)} are right"
