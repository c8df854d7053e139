"""Comparison of an exported file with the student that it was made from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jdnet_jax.export.pictures import Pictures
from jdnet_jax.inference.runner import Runner
from jdnet_jax.process.errors import UserError

MAX_LOSS = 0.01  # of top-1: what a quantised file may lose
MAX_DIFFERENCE = 0.01  # of a probability: what arithmetic in another order may change, with a wide margin


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The agreement of file and student on the same pictures.

    Attributes:
        source: the pictures, in words.
        count: number of pictures.
        agreement: share of them that both give the same class, in [0, 1].
        largest_difference: largest difference between a class's two probabilities.
        top1: top-1 accuracy of student and file, in [0, 1]; None where the classes are not known.
    """

    source: str
    count: int
    agreement: float
    largest_difference: float
    top1: tuple[float, float] | None

    def summary(self) -> dict[str, Any]:
        """The entry of `model.json`."""
        figures = {
            "pictures": self.source,
            "count": self.count,
            "top1_agreement": self.agreement,
            "largest_probability_difference": self.largest_difference,
        }
        if self.top1 is not None:
            figures |= {"top1_of_student": self.top1[0], "top1_of_file": self.top1[1]}
        return figures


def compare(student: Runner, file: Runner, pictures: Pictures) -> Comparison:
    """Runs both over the pictures."""
    theirs, ours = (runner.run(pictures.images).probabilities for runner in (student, file))
    before, after = (probabilities.argmax(axis=1) for probabilities in (theirs, ours))
    top1 = None
    if pictures.labels is not None:
        top1 = float(np.mean(before == pictures.labels)), float(np.mean(after == pictures.labels))
    difference = float(np.max(np.abs(theirs - ours)))
    return Comparison(
        source=pictures.source,
        count=len(pictures.images),
        agreement=float(np.mean(before == after)),
        largest_difference=difference if np.isfinite(ours).all() else np.inf,
        top1=top1,
    )


def check(comparison: Comparison, quantize: str, allow_loss: bool) -> None:
    """Refuses a file that differs too much from the student.

    Args:
        comparison: comparison of the file with the student.
        quantize: how it was quantised, or `none`.
        allow_loss: whether a quantised file may lose any accuracy.

    Raises:
        UserError: a file of floats computes something else than the student, or a quantised one loses more than
            MAX_LOSS of top-1.
    """
    if not np.isfinite(comparison.largest_difference):
        raise UserError("the written file's probabilities are not finite: it was not kept")
    if quantize == "none" and comparison.largest_difference > MAX_DIFFERENCE:
        raise UserError(
            f"the written file's probabilities differ from the student's by up to {comparison.largest_difference:.3f} "
            f"on {comparison.source}: it was not kept; this is a fault of the exporter"
        )
    if comparison.top1 is None or allow_loss:
        return
    before, after = comparison.top1
    if before - after > MAX_LOSS + 1e-9:  # shares of a count, whose difference is rounded
        raise UserError(
            f"--quantize={quantize} loses {100 * (before - after):.1f} points of top-1 ({before:.1%} to {after:.1%} on "
            f"{comparison.source}): it was not kept; choose {_BETTER[quantize]}, or take the loss with "
            "--allow_loss"
        )


_BETTER = {
    "int8": "--quantize=dynamic (8-bit weights) or float16",
    "dynamic": "--quantize=float16",
    "float16": "--quantize=none",
}
