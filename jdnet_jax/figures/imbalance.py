"""Class imbalance: how much the classes of a dataset differ in size, and advice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

#: The smallest ratio of photos in the largest and the smallest class that is worth a warning (OURS).
LARGE = 3
ADVICE = (
    "small classes may be learned badly: config.dataset.balance=0.5 has their photos sampled more often, "
    "config.losses.ce.options.balance=0.5 weighs them more"
)


class Imbalance(NamedTuple):
    """The classes with the most and with the fewest photos.

    Attributes:
        largest: name of the largest class.
        most: number of its photos.
        smallest: name of the smallest class that has photos.
        fewest: number of its photos.
    """

    largest: str
    most: int
    smallest: str
    fewest: int

    @property
    def matters(self) -> bool:
        """Whether the imbalance is worth a warning: a factor of LARGE or more."""
        return self.most >= LARGE * self.fewest

    def __str__(self) -> str:
        """The imbalance in words, with the factor; `ADVICE` says what to do."""
        ratio = f"{self.most / self.fewest:.3g}"
        return f"{self.largest} has {self.most:,} photos to train on, {ratio} times as many as {self.smallest}"


def of_classes(class_names: Sequence[str], counts: Int[np.ndarray, " classes"]) -> Imbalance:
    """The imbalance of these classes.

    Args:
        class_names: names of all classes.
        counts: number of training photos of each class, one of them at least 1.

    >>> print(of_classes(("fig", "kiwi", "rice"), np.array([10, 0, 45])))
    rice has 45 photos to train on, 4.5 times as many as fig
    """
    there = np.where(counts > 0, counts, np.iinfo(np.int64).max)
    most, fewest = int(counts.argmax()), int(there.argmin())
    return Imbalance(class_names[most], int(counts[most]), class_names[fewest], int(counts[fewest]))
