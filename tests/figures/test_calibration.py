import math

import numpy as np
import pytest
from scipy import special

from jdnet_jax.figures import calibration
from jdnet_jax.figures.calibration import HIGHEST, LOWEST, expected_calibration_error, fit_temperature


def test_the_temperature_by_hand():
    # Class 0 leads by 1 and is right in three of four: sigmoid(1 / T) = 3/4, so T = 1 / ln 3.
    logits = np.array([[1.0, 0.0]] * 4, np.float32)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(1 / math.log(3), rel=1e-5)


def drawn(temperature: float, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right at this temperature: labels are drawn with their probabilities there."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 3.0, (count, 5)).astype(np.float32)
    shares = special.softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (rng.random((count, 1)) > shares).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_at_is_found(temperature):
    logits, labels = drawn(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_lower_cross_entropy():
    logits, labels = drawn(2.0, 300)

    def loss(temperature):
        return -special.log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    best = fit_temperature(logits, labels)
    assert all(loss(best) <= loss(other) for other in np.geomspace(0.2, 9.0, 50))


def test_the_temperature_scales_with_the_logits():
    logits, labels = drawn(1.0, 300)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-4)


def test_it_does_not_depend_on_the_order_or_on_how_many_are_summed_at_a_time(monkeypatch):
    logits, labels = drawn(1.5, 300)
    expected = fit_temperature(logits, labels)
    monkeypatch.setattr(calibration, "_ROWS", 7)
    assert fit_temperature(logits[::-1], labels[::-1]) == pytest.approx(expected, rel=1e-5)


def test_where_nothing_can_be_fitted_the_temperature_is_one():
    assert fit_temperature(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([0, 1])) == 1.0  # all right
    assert fit_temperature(np.array([[np.nan, 0.0], [0.0, 1.0]]), np.array([1, 0])) == 1.0
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0


def test_the_temperature_stays_between_its_bounds():
    guesses = np.array([[1.0, 0.0]] * 4)  # as often wrong as right: the flatter the better
    assert fit_temperature(guesses, np.array([0, 1, 0, 1])) == HIGHEST
    timid = np.array([[0.01, 0.0]] * 100)  # almost always right, by a hair
    assert fit_temperature(timid, np.array([1] + [0] * 99)) == LOWEST


def test_calibration_error_by_hand():
    # Two bins: 0.95 right, 0.91 wrong.
    error = expected_calibration_error(np.array([0.95, 0.91]), np.array([True, False]))
    assert error == pytest.approx((0.05 + 0.91) / 2)
    # One bin, whose mean confidence is 0.96 and of which half is right.
    error = expected_calibration_error(np.array([0.95, 0.97]), np.array([True, False]))
    assert error == pytest.approx(0.96 - 0.5)


def test_calibration_error_at_the_edges_of_the_bins():
    # 0.2 is the upper bound of the third of fifteen bins and 0.14 lies in it; 0.21 lies in the next, 0 in the first.
    hits = np.array([False, True])
    assert expected_calibration_error(np.array([0.2, 0.14]), hits) == pytest.approx(abs(0.34 - 1) / 2)
    assert expected_calibration_error(np.array([0.2, 0.21]), hits) == pytest.approx((0.2 + 0.79) / 2)
    assert expected_calibration_error(np.array([0.0, 1.0]), hits) == 0.0


def test_calibration_error_of_logits_at_a_temperature():
    logits, labels = drawn(2.0)
    assert calibration.calibration_error_at(2.0, logits, labels) < 0.01
    assert calibration.calibration_error_at(1.0, logits, labels) > 0.1


def test_the_bins_of_a_reliability_diagram_by_hand():
    # Of 15 bins: 0.5 lies in the 8th, 1/15 and 0.06 in the first, which holds its upper bound, and 1 in the last.
    found = calibration.bins(np.array([0.5, 0.52, 1 / 15, 0.06, 1.0]), np.array([True, False, False, False, True]))
    assert {i: int(n) for i, n in enumerate(found.count) if n} == {0: 2, 7: 2, 14: 1}
    assert found.confidence[7] == pytest.approx(0.51)
    assert (found.accuracy[0], found.accuracy[7], found.accuracy[14]) == (0, 0.5, 1)
    assert np.isnan(found.accuracy[1])
    assert np.isnan(found.confidence[1])


@pytest.mark.parametrize(("photos", "fit", "fitted_on"), [(100, True, 100), (99, True, 0), (100, False, 0)])
def test_a_temperature_is_not_fitted_on_few_photos(photos, fit, fitted_on):
    logits, labels = drawn(2.5, 500)
    found = calibration.of_splits({"val": (logits[:photos], labels[:photos]), "test": (logits, labels)}, fit=fit)
    assert found["fitted_on"] == fitted_on
    if fitted_on:
        assert found["temperature"] == fit_temperature(logits[:photos], labels[:photos]) != 1.0
    else:
        assert found["temperature"] == 1.0
        assert found["test"]["ece_before"] == found["test"]["ece_after"]


@pytest.mark.parametrize(
    ("found", "val_photos", "words"),
    [
        ({"fitted_on": 1200}, 1200, "fitted on 1,200 photos of val"),
        ({"fitted_on": 0}, 16, "not fitted, as val has 16 photos and a temperature needs 100"),
        ({"fitted_on": 0}, 1200, "not fitted, as val is part of train"),
        ({}, 16, "fitted on 16 photos of val"),  # by an earlier version
    ],
)
def test_where_a_temperature_comes_from(found, val_photos, words):
    assert calibration.origin(found, val_photos) == words
