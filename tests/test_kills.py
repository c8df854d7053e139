"""A run that is killed, wherever that is, and started again ends with the same bits as one that was never touched."""

import random

import pytest

from tests import kills


@pytest.mark.slow
def test_a_run_killed_at_every_kind_of_moment_ends_with_the_same_bits_and_lines(tmp_path, small_data, untouched_run):
    rng = random.Random(5)
    for moment in rng.sample(kills.MOMENTS, len(kills.MOMENTS)):
        assert kills.kill_once(kills.SHORT, tmp_path, small_data, moment, rng).killed, moment
    kills.train_to_the_end(kills.SHORT, tmp_path, small_data)
    untouched = kills.result(untouched_run)
    assert [entry["step"] for entry in untouched[1:]] == sorted({*range(0, 51, 3), *range(0, 51, 6), 50})
    assert kills.result(tmp_path) == untouched
