import json

import pytest

from jdnet_jax.run.early_stop import EarlyStop


def after(accuracies, patience=2, val_photos=100, unseen=True):
    """Whether the run ends after each of these evaluations."""
    early = EarlyStop(patience, val_photos, unseen=unseen)
    over = []
    for top1 in accuracies:
        early.see(top1)
        over.append(early.is_over)
    return over


def test_it_ends_after_so_many_evaluations_that_are_no_better():
    assert after([0.1, 0.3, 0.3, 0.2]) == [False, False, False, True]
    assert after([0.1, 0.3, 0.2, 0.4, 0.4, 0.4]) == [False] * 5 + [True]
    assert after([0.5, 0.4], patience=1) == [False, True]
    assert after([0.5, 0.4, 0.3, 0.2], patience=0) == [False] * 4


@pytest.mark.parametrize(
    ("val_photos", "unseen", "why"),
    [(99, True, "val has 99 photos and early stopping needs 100"), (5000, False, "val is part of train")],
)
def test_where_val_tells_too_little_it_never_ends_and_says_why(val_photos, unseen, why):
    assert not any(after([0.5] * 9, val_photos=val_photos, unseen=unseen))
    assert EarlyStop(2, val_photos, unseen=unseen).ignored == f"config.patience is ignored: {why}"
    assert EarlyStop(0, val_photos, unseen=unseen).ignored == ""


def test_a_run_that_goes_on_ends_where_one_of_one_piece_does():
    for cut in range(5):
        accuracies = [0.1, 0.3, 0.2, 0.3]
        first = EarlyStop(2, 100, unseen=True)
        for top1 in accuracies[:cut]:
            first.see(top1)
        second = EarlyStop(2, 100, unseen=True)
        second.resume(json.loads(json.dumps(first.notes())))
        for top1 in accuracies[cut:]:
            assert not second.is_over
            second.see(top1)
        assert second.is_over
    second.resume(None)  # of a run that has no checkpoint yet, or of an earlier version
    assert not second.is_over


def test_what_is_said():
    early = EarlyStop(2, 100, unseen=True)
    for top1 in (0.25, 0.125, 0.25):
        early.see(top1)
    assert early.words(30, 100) == (
        "ended early, after step 30 of 100: in 2 evaluations on val the student was not better than 25.00% "
        "(config.patience = 2)"
    )
