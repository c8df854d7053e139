"""Confidence intervals at 95 %: of a share of photos, and of the difference between two ways of training.

A difference has two sources of chance: another seed would train other networks, and the test could have had other
photos of the same kind. `over_seeds` covers the first, `over_photos` the second, `joined` both at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special, stats

LEVEL = 0.95
FEWEST_SEEDS = 3  # a deviation of two seeds is known to a factor of thirty
MANY_PHOTOS = 1000  # from here on shares are shown without an interval, which is at most 3.1 points to either side
ENOUGH_PHOTOS = 100  # with fewer, an accuracy is known to ten points to either side, or worse
RESAMPLES = 10_000


class Interval(NamedTuple):
    """An interval by its two ends."""

    low: float
    high: float


def wilson(hits: int, count: int) -> Interval:
    """The interval of a share, such as an accuracy (Wilson, "Probable inference", JASA, 1927).

    Args:
        hits: in [0, count].
        count: at least 1.

    >>> low, high = wilson(16, 16)
    >>> f"{low:.4f} to {high:.4f}"
    '0.8064 to 1.0000'
    """
    return Interval(*map(float, stats.binomtest(hits, count).proportion_ci(LEVEL, method="wilson")))


def share(value: float, count: int, *, always: bool = False, of: bool = True) -> str:
    """A share of photos in words, with its Wilson interval where they are fewer than MANY_PHOTOS, or always.

    Args:
        value: hits / count, in [0, 1].
        count: at least 1.
        always: with its interval also where they are many.
        of: says how many they are.

    >>> share(1.0, 16)
    '100 % of 16 (81 to 100)'
    >>> share(0.8185, 2485)
    '81.85 % of 2,485'
    >>> share(0.8185, 2485, always=True)
    '81.85 % of 2,485 (80 to 83)'
    >>> share(0.5, 40, of=False)
    '50 % (35 to 65)'
    """
    many = count >= MANY_PHOTOS
    text = f"{100 * value:.2f} %" if many else f"{100 * value:.3g} %"
    text += f" of {count:,}" if of else ""
    if many and not always:
        return text
    low, high = wilson(round(value * count), count)
    digits = 0 if high - low >= 0.02 else 1
    return f"{text} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def advice(dataset: str) -> str:
    """Advice for tests on fewer than ENOUGH_PHOTOS photos.

    Args:
        dataset: its name in the config.
    """
    folds = "train with --folds=5, which tests on each photo once, and " if dataset == "image_folder" else ""
    return f"{folds}test with photos from another day than those of the training (evaluate --photos=FOLDER)"


def percentiles(values: Float[np.ndarray, " draws"]) -> Interval:
    """The percentile interval: the middle 95 % of a figure's values on bootstrap drawings, ends interpolated linearly.

    >>> low, high = percentiles(np.arange(101.0))
    >>> round(float(low), 1), round(float(high), 1)
    (2.5, 97.5)
    """
    return Interval(*map(float, np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])))


def over_seeds(differences: Float[np.ndarray, " seeds"]) -> Interval | None:
    """Student's t-interval of the mean difference between two ways of training; None under FEWEST_SEEDS.

    Args:
        differences: for each seed, the difference between the two ways.

    >>> low, high = over_seeds(np.array([0.01, 0.02, 0.03]))  # 0.02 -+ 4.303 x 0.01 / sqrt(3)
    >>> f"{low:.4f} to {high:.4f}"
    '-0.0048 to 0.0448'

    >>> low, high = over_seeds(np.array([1.0, 2.0, 3.0]))
    >>> round(float(low), 2), round(float(high), 2)
    (-0.48, 4.48)
    """
    if len(differences) < FEWEST_SEEDS:
        return None
    values = np.asarray(differences, np.float64)
    if np.ptp(values) == 0:  # of which SciPy warns
        return Interval(float(values[0]), float(values[0]))
    return Interval(*map(float, stats.ttest_1samp(values, 0.0).confidence_interval(LEVEL)))


def over_photos(differences: Float[np.ndarray, " photos"], seed: int = 0) -> Interval | None:
    """The paired bootstrap's percentile interval of the mean difference (Efron, Annals of Statistics, 1979).

    It holds for these trainings: with other trainings the difference would vary by more than that. None for fewer than
    two photos.

    Args:
        differences: for each photo, the difference between the two ways.
        seed: seed of the drawings.
    """
    values = np.asarray(differences, np.float64)
    if len(values) < 2:
        return None
    drawn = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // len(values)),  # many photos need little memory
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(*map(float, drawn.confidence_interval))


def joined(differences: Float[np.ndarray, "seeds photos"]) -> Interval | None:
    """The interval of the mean difference over other seeds and other photos; None under FEWEST_SEEDS or two photos.

    Seeds and photos are crossed random effects: d[i, j] = mean + seed[i] + photo[j] + rest[i, j], as readers and cases
    are where several radiologists judge the same images. With n seeds and m photos the mean of all has the variance

        (n m)^-1 (m var(seed) + n var(photo) + var(rest)),

    which the mean squares of the two-way table estimate as (MS_seed + max(MS_photo - MS_rest, 0)) / (n m): their
    expectations are m var(seed) + var(rest), n var(photo) + var(rest) and var(rest). PAPER: this is the analysis of
    Dorfman, Berbaum, Metz (Investigative Radiology, 1992) with the variance of Hillis (Statistics in Medicine, 2007),
    whose interval is Student's with (n - 1) / c^2 degrees of freedom, c = MS_seed / (MS_seed + max(MS_photo - MS_rest,
    0)): Satterthwaite's for that sum, the photos being many.
    OURS: (n - 1) / c degrees of freedom. c is itself uncertain, and with three seeds c^2 lets the coverage fall to 92 %
    between the two extremes; by c it stays between 94 and 97 % for 3, 5 and 10 seeds, whatever the variances.
    Where only the seeds differ it is the t-interval over seeds, and where only the photos do, the normal one.

    Args:
        differences: the two ways' difference for each seed and photo, such as that between two hits: -1, 0 or 1.
    """
    table = np.asarray(differences, np.float64)
    seeds, photos = table.shape
    if seeds < FEWEST_SEEDS or photos < 2:
        return None
    mean = table.mean()
    of_seed, of_photo = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    rest = table - mean - of_seed[:, None] - of_photo
    ms_seed = photos * np.sum(of_seed**2) / (seeds - 1)
    ms_photo = seeds * np.sum(of_photo**2) / (photos - 1)
    ms_rest = np.sum(rest**2) / ((seeds - 1) * (photos - 1))
    total = ms_seed + max(ms_photo - ms_rest, 0.0)
    freedom = (seeds - 1) * total / ms_seed if ms_seed > 0 else np.inf
    half = special.stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(total / (seeds * photos))
    return Interval(float(mean - half), float(mean + half))
