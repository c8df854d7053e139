import math

import numpy as np
import pytest

from jdnet_jax.inference import scoring
from jdnet_jax.inference.runner import Prediction
from tests import tiny_student


class Told:
    """A runner that answers with the probabilities that are written into the pixels."""

    card = tiny_student.card()

    def run(self, images):
        classes = len(tiny_student.CLASSES)
        probabilities = images[:, 0, :classes, 0].astype(np.float32) / 100
        return Prediction(probabilities, np.zeros((len(images), 1, 1), np.float32))


def batch(rows, labels, mask=None):
    images = np.zeros((len(rows), 32, 32, 3), np.uint8)
    images[:, 0, : len(tiny_student.CLASSES), 0] = rows
    found = {"image": images, "label": np.array(labels)}
    return found if mask is None else {**found, "mask": np.array(mask)}


def test_the_figures_by_hand():
    batches = [
        batch([[70, 20, 2, 2, 2, 2, 2], [10, 60, 6, 6, 6, 6, 6]], [0, 2]),
        batch([[20, 20, 19, 18, 17, 6, 0], [100, 0, 0, 0, 0, 0, 0]], [5, 0], mask=[True, False]),
    ]
    scores = scoring.score(Told(), batches)
    summary = scores.summary()
    assert summary["count"] == 3
    assert summary["top1"] == pytest.approx(1 / 3)
    assert summary["top5"] == pytest.approx(2 / 3)  # of the last photo the label is sixth
    assert summary["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.06) + math.log(0.06)) / 3, rel=1e-6)
    # Three bins of one photo each, of which the first is right.
    assert summary["ece"] == pytest.approx((0.3 + 0.6 + 0.2) / 3, rel=1e-6)
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 0 + 0 + 0) / 4)
    expected = np.zeros((7, 7), int)
    expected[0, 0] = expected[2, 1] = expected[5, 0] = 1
    np.testing.assert_array_equal(scores.result.confusion, expected)
    assert summary["not_sure"] is None  # this model has no threshold


class Doubting(Told):
    card = tiny_student.card(not_sure_below=0.5)


def test_what_a_threshold_turns_away_by_hand():
    rows = [[70, 30, 0, 0, 0, 0, 0], [50, 30, 20, 0, 0, 0, 0], [40, 30, 30, 0, 0, 0, 0], [49, 51, 0, 0, 0, 0, 0]]
    rows += [[30, 40, 30, 0, 0, 0, 0]]
    scores = scoring.score(Doubting(), [batch(rows, [0, 1, 0, 1, 2])])
    # The third (right) and the last (wrong) are below; of the other three the first and the fourth are right.
    expected = {"below": 0.5, "count": 5, "turned_away": 2, "right_turned_away": 1, "top1": pytest.approx(2 / 3)}
    assert scores.summary()["not_sure"] == expected
    assert scores.summary()["top1"] == pytest.approx(3 / 5)  # of all photos, whatever is turned away


def test_of_equal_probabilities_the_first_class_comes_first():
    coarse = [0, 0, 0, 0, 100, 0, 0]  # as a quantised file rounds them
    scores = scoring.score(Told(), [batch([coarse] * 3, [3, 4, 5])])
    assert scores.result.top5_count == 2


def test_a_probability_that_was_rounded_to_zero_costs_much_and_not_everything():
    scores = scoring.score(Told(), [batch([[100, 0, 0, 0, 0, 0, 0]], [1])])
    assert 80 < scores.result.loss < 100
