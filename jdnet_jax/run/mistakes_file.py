"""`mistakes.csv`: the test photos that the student got wrong, by file name, the most confident mistake first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jdnet_jax.figures import classification


class Mistake(NamedTuple):
    """A photo that the student got wrong: a row of the table.

    Attributes:
        photo: the file, as the dataset records it.
        label: its class.
        prediction: the class that the student took it for.
        probability: probability of the prediction, calibrated.
    """

    photo: str
    label: str
    prediction: str
    probability: float


def read(evaluation: Mapping[str, np.ndarray], classes: Sequence[str]) -> Iterator[Mistake]:
    """The mistakes on test, the surest first; none where the dataset does not record the files.

    Args:
        evaluation: the arrays of `evaluation.npz`.
        classes: names, in the order of the labels.
    """
    if "test/path" not in evaluation:
        return
    labels, predictions = evaluation["test/label"], evaluation["test/prediction"]
    sure = evaluation["test/calibrated"]
    for i in classification.mistakes(labels, predictions, sure):
        photo = str(evaluation["test/path"][i])
        yield Mistake(photo, classes[labels[i]], classes[predictions[i]], round(float(sure[i]), 4))


def text(evaluation: Mapping[str, np.ndarray], classes: Sequence[str]) -> str:
    """The content of the file; takes what `read` takes."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([Mistake._fields, *read(evaluation, classes)])
    return lines.getvalue()
