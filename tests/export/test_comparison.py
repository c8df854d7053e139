import math

import numpy as np
import pytest

from jdnet_jax.export import comparison
from jdnet_jax.export.comparison import Comparison
from jdnet_jax.export.pictures import Pictures
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.process.errors import UserError
from tests import tiny_student


class Fixed:
    """A runner that gives these probabilities."""

    card = tiny_student.card()

    def __init__(self, probabilities):
        self.probabilities = np.array(probabilities, np.float32)

    def run(self, images):
        return Prediction(self.probabilities, np.zeros((len(images), 1, 1), np.float32))


STUDENT = Fixed([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5], [0.5, 0.5, 0.0]])
FILE = Fixed([[0.5, 0.25, 0.25], [0.5, 0.375, 0.125], [0.25, 0.25, 0.5], [0.5, 0.5, 0.0]])


def pictures(labels):
    return Pictures("four pictures", np.zeros((4, 2, 2, 3), np.uint8), labels)


def test_the_figures_by_hand():
    found = comparison.compare(STUDENT, FILE, pictures(np.array([0, 1, 2, 2])))
    assert found == Comparison("four pictures", 4, 0.75, 0.375, (0.75, 0.5))
    assert found.summary() == {
        "pictures": "four pictures",
        "count": 4,
        "top1_agreement": 0.75,
        "largest_probability_difference": 0.375,
        "top1_of_student": 0.75,
        "top1_of_file": 0.5,
    }
    assert comparison.compare(STUDENT, STUDENT, pictures(None)) == Comparison("four pictures", 4, 1.0, 0.0, None)


def made(difference=0.0, top1=None):
    return Comparison("val", 100, 1.0, difference, top1)


def test_a_quantised_file_may_lose_one_point():
    comparison.check(made(0.4, (0.80, 0.79)), "int8", allow_loss=False)
    comparison.check(made(0.4, (0.80, 0.90)), "int8", allow_loss=False)
    with pytest.raises(
        UserError, match=r"--quantize=int8 loses 2.0 points of top-1 \(80.0% to 78.0% on val\).*dynamic"
    ):
        comparison.check(made(0.4, (0.80, 0.78)), "int8", allow_loss=False)
    comparison.check(made(0.4, (0.80, 0.78)), "int8", allow_loss=True)
    comparison.check(made(0.4), "int8", allow_loss=False)  # without labels there is nothing to lose


def test_a_file_of_floats_must_compute_the_same():
    comparison.check(made(1e-3), "none", allow_loss=False)
    with pytest.raises(UserError, match=r"differ from the student's by up to 0.020 on val: it was not kept"):
        comparison.check(made(0.02), "none", allow_loss=True)


def test_probabilities_that_are_not_finite():
    bad = Fixed(np.full((4, 3), np.nan))
    found = comparison.compare(STUDENT, bad, pictures(None))
    assert math.isinf(found.largest_difference)
    with pytest.raises(UserError, match="not finite"):
        comparison.check(found, "int8", allow_loss=True)
