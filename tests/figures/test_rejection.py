import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.figures import calibration, rejection
from jdnet_jax.figures.rejection import HIGHEST, fit


def test_the_threshold_by_hand():
    sure = np.linspace(0.01, 0.99, 99)  # 0.01, 0.02, ..., 0.99
    # Of 99 photos and another one, 5 may lie below it: the fifth smallest, under which lie four of val.
    assert fit(sure, 0.05) == 0.05
    assert fit(sure[::-1], 0.05) == 0.05
    assert np.mean(sure < fit(sure, 0.05)) == 4 / 99
    assert fit(sure, 0.1) == 0.1


def test_too_few_photos_for_a_share_turn_nothing_away():
    sure = np.linspace(0.1, 0.9, 18)
    assert fit(sure, 0.05) == 0.0  # 0.05 x 19 is no whole photo
    assert fit(np.linspace(0.1, 0.9, 19), 0.05) == 0.1
    assert fit(np.zeros(0), 0.05) == 0.0
    assert fit(np.full(200, np.nan), 0.05) == 0.0


def test_a_network_that_is_sure_of_all_is_believed_from_the_highest_threshold_on():
    assert fit(np.ones(200), 0.05) == HIGHEST


@given(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=300), st.floats(0.001, 0.5))
def test_no_more_than_the_share_is_turned_away(sure, share):
    """Also with one photo more, wherever that lies: what makes the share hold for photos that were not in val."""
    values = np.array(sure)
    threshold = fit(values, share)
    assert 0 <= threshold <= HIGHEST
    assert np.sum(values < threshold) + 1 <= share * (len(sure) + 1) + 1e-6 or threshold == 0
    assert np.sum(values < threshold) <= share * len(sure) + 1e-6


def test_the_share_holds_for_other_photos():
    """The mean over many sets of val, each with its own threshold, of the share of other photos that is turned away."""
    rng = np.random.default_rng(0)
    shares = [np.mean(rng.beta(8, 2, 2000) < fit(rng.beta(8, 2, 150), 0.05)) for _ in range(400)]
    assert 0.04 < np.mean(shares) <= 0.05 + 3 * np.std(shares) / 20


def splits(photos=200):
    """Two classes, the answer always 0: half of the photos surely (0.9), half unsurely, of which half are wrong."""
    lead = np.where(np.arange(photos) % 2, np.log(9.0), np.linspace(0.01, 0.5, photos))
    logits = np.stack([lead, np.zeros(photos)], 1)
    labels = (np.arange(photos) % 4 == 0).astype(int)
    return {"val": (logits, labels), "test": (logits, labels)}


def test_what_it_costs_by_hand():
    found = rejection.of_splits(splits(), 1.0, 0.05, unseen=True)
    unsure = 1 / (1 + np.exp(-np.linspace(0.01, 0.5, 200)[::2]))  # of the 100 even photos, rising
    assert found["below"] == pytest.approx(unsure[9], abs=1e-4)  # 0.05 x 201 = 10 may lie below: the tenth
    assert found["fitted_on"] == 200
    # Nine lie below it: photos 0, 2, ..., 16, of which 0, 4, 8, 12, 16 are of class 1 and so wrong.
    assert found["test"] == {"count": 200, "turned_away": 9, "right_turned_away": 4, "top1": (150 - 4) / 191}
    assert found["val"] == found["test"]
    assert rejection.origin(found).startswith('it is "not sure" below a probability of 5')
    assert rejection.origin(found).endswith("which is so for 5 % of 200 photos of val")


def test_the_threshold_is_of_probabilities_at_the_temperature():
    flat = rejection.of_splits(splits(), 5.0, 0.05, unseen=True)
    assert 0.5 < flat["below"] < rejection.of_splits(splits(), 1.0, 0.05, unseen=True)["below"]


@pytest.mark.parametrize(
    ("photos", "share", "unseen", "why"),
    [
        (99, 0.05, True, "val has 99 photos, and a threshold needs 100"),
        (200, 0.0, True, "config.not_sure is 0"),
        (200, 0.05, False, "val is part of train"),
        (200, 0.001, True, "no probability is as low"),
    ],
)
def test_there_is_none_where_it_cannot_be_fitted_or_is_not_wanted(photos, share, unseen, why):
    found = rejection.of_splits(splits(photos), 1.0, share, unseen=unseen)
    assert found["below"] == 0
    assert found["test"]["turned_away"] == 0
    assert rejection.origin(found) == f'it is never "not sure": {why}'


def test_the_effect_of_a_threshold_is_that_of_the_splits():
    logits, labels = splits()["test"]
    found = rejection.of_splits(splits(), 1.0, 0.05, unseen=True)
    sure, hits = calibration.confidences(logits, 1.0), logits.argmax(axis=1) == labels
    assert rejection.effect(sure, hits, found["below"]) == found["test"]
    assert rejection.effect(sure, hits, 0.0) == {
        "count": 200,
        "turned_away": 0,
        "right_turned_away": 0,
        "top1": 0.75,
    }


def test_where_all_is_turned_away_nothing_is_said_of_the_rest():
    said = rejection.cost({"count": 20, "turned_away": 20, "right_turned_away": 3, "top1": None})
    assert said.endswith("3 of which were right")
