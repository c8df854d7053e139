import random

import pytest

from jdnet_jax.data import division

PATHS = [f"apple/{number:03d}.jpg" for number in range(40)]


def test_takes_so_many_and_loses_none():
    kept, held = division.hold_out(PATHS, 7, seed=0)
    assert len(held) == 7
    assert sorted(kept + held) == PATHS


def test_the_order_of_the_paths_does_not_matter():
    shuffled = random.Random(0).sample(PATHS, len(PATHS))
    assert division.hold_out(PATHS, 7, seed=0) == division.hold_out(shuffled, 7, seed=0)


def test_another_seed_holds_out_others():
    assert set(division.hold_out(PATHS, 7, seed=0)[1]) != set(division.hold_out(PATHS, 7, seed=1)[1])


def test_a_photo_more_moves_one_other_at_most():
    before = set(division.hold_out(PATHS, 7, seed=0)[1])
    after = set(division.hold_out([*PATHS, "apple/new.jpg"], 7, seed=0)[1])
    assert len(before & after) >= 6


@pytest.mark.parametrize(
    ("photos", "count", "held"), [(0, 1, 0), (1, 1, 0), (2, 0, 1), (2, 5, 1), (3, 2, 2), (9, 0, 1)]
)
def test_at_least_one_is_held_out_and_one_kept(photos, count, held):
    assert len(division.hold_out(PATHS[:photos], count, seed=0)[1]) == held


class TestGroups:
    @pytest.mark.parametrize("seed", range(5))
    def test_are_never_parted(self, seed):
        def group_of(path):
            return path[:-5]  # ten photos each

        kept, held = division.hold_out(PATHS, 23, seed, group_of)
        assert not set(map(group_of, kept)) & set(map(group_of, held))
        assert len(held) == 20

    def test_smaller_ones_fill_up_what_a_large_one_leaves(self):
        groups = dict.fromkeys(PATHS[:30], "large")
        _, held = division.hold_out(PATHS, 8, 0, lambda path: groups.get(path, path))
        assert len(held) == 8
        assert not set(held) & set(groups)

    def test_where_all_are_too_large_the_smallest_is_held_out(self):
        _, held = division.hold_out(PATHS[:5], 1, 0, lambda path: path in PATHS[:3])
        assert sorted(held) == PATHS[3:5]

    def test_a_single_group_is_kept(self):
        assert division.hold_out(PATHS[:5], 1, 0, lambda path: 0)[1] == []
