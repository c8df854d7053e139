import random
from collections import Counter

import pytest

from jdnet_jax.data.hold_out import stratified_folds, stratified_hold_out


def photos(*counts):
    """`counts[c]` photos of each class c."""
    return {f"{c}/{i}": c for c, count in enumerate(counts) for i in range(count)}


def held_out(labels, fraction=0.1, seed=0, groups=None):
    return stratified_hold_out(labels, {"val": fraction}, seed, groups)["val"]


class TestOnePart:
    def test_takes_its_share_of_each_class(self):
        labels = photos(20, 60, 7)
        assert Counter(labels[name] for name in held_out(labels)) == {0: 2, 1: 6, 2: 1}
        assert Counter(labels[name] for name in held_out(labels, 0.3)) == {0: 6, 1: 18, 2: 2}

    def test_does_not_depend_on_the_order(self):
        labels = photos(30, 20)
        shuffled = dict(random.Random(0).sample(sorted(labels.items()), len(labels)))
        assert held_out(labels) == held_out(shuffled)

    def test_is_the_same_in_every_release(self):
        """Else the numbers of two releases would not compare."""
        assert held_out(photos(20, 7)) == {"0/3", "0/5", "1/5"}

    def test_is_not_the_first_photos(self):
        held = held_out(photos(100))
        assert len(held) == 10
        assert max(int(name.split("/")[1]) for name in held) > 50

    def test_another_seed_takes_others(self):
        assert held_out(photos(40), seed=0) != held_out(photos(40), seed=1)

    def test_a_photo_more_moves_one_other_at_most(self):
        before, after = held_out(photos(40), 7 / 40), held_out(photos(40) | {"0/new": 0}, 7 / 41)
        assert len(before) == len(after) == 7
        assert len(before & after) >= 6

    @pytest.mark.parametrize(
        ("count", "fraction", "held"),
        [(0, 0.5, 0), (1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (3, 0.7, 2), (3, 0.99, 2), (9, 0.01, 1)],
    )
    def test_at_least_one_is_held_out_and_one_left(self, count, fraction, held):
        assert len(held_out(photos(count), fraction)) == held


class TestSeveralParts:
    def test_are_disjoint_and_each_has_its_share(self):
        labels = photos(40, 20)
        parts = stratified_hold_out(labels, {"test": 0.3, "val": 0.1})
        assert Counter(labels[name] for name in parts["test"]) == {0: 12, 1: 6}
        assert Counter(labels[name] for name in parts["val"]) == {0: 4, 1: 2}
        assert not parts["test"] & parts["val"]

    def test_the_first_is_what_it_is_alone(self):
        labels = photos(40, 20)
        assert stratified_hold_out(labels, {"test": 0.1, "val": 0.1})["test"] == held_out(labels)

    @pytest.mark.parametrize(
        ("count", "test", "val"), [(1, 0, 0), (2, 1, 0), (3, 1, 1), (4, 2, 1), (10, 8, 1), (20, 16, 2)]
    )
    def test_a_large_first_one_leaves_some_for_the_others_and_for_training(self, count, test, val):
        parts = stratified_hold_out(photos(count), {"test": 0.8, "val": 0.1})
        assert {part: len(names) for part, names in parts.items()} == {"test": test, "val": val}

    def test_none(self):
        assert stratified_hold_out(photos(10), {}) == {}


class TestGroupsOfOneClass:
    @pytest.mark.parametrize("seed", range(5))
    def test_are_never_parted(self, seed):
        labels = photos(40)
        groups = {name: int(name.split("/")[1]) // 5 for name in labels}
        parts = stratified_hold_out(labels, {"test": 0.3, "val": 0.15}, seed, groups)
        assert {part: len(names) for part, names in parts.items()} == {"test": 10, "val": 5}
        train = labels.keys() - parts["test"] - parts["val"]
        seen = [{groups[name] for name in names} for names in (train, *parts.values())]
        assert sum(map(len, seen)) == 8

    def test_smaller_ones_fill_up_what_a_large_one_leaves(self):
        labels = photos(40)
        groups = {name: "large" if int(name.split("/")[1]) < 30 else name for name in labels}
        held = held_out(labels, 0.2, groups=groups)
        assert len(held) == 8
        assert "large" not in {groups[name] for name in held}

    @pytest.mark.parametrize("seed", range(5))
    def test_where_all_are_too_large_the_smallest_is_taken(self, seed):
        labels = photos(5)
        groups = {name: name in ("0/0", "0/1", "0/2") for name in labels}
        assert held_out(labels, 0.2, seed, groups) == {"0/3", "0/4"}

    def test_a_single_one_is_left(self):
        labels = photos(5)
        assert held_out(labels, groups=dict.fromkeys(labels, "all")) == set()


class TestGroupsAcrossClasses:
    """Copies of a picture that are there under several labels."""

    @pytest.mark.parametrize("shared", [1, 5, 20])
    def test_copies_stay_together(self, shared):
        """Of 50 photos of each of four classes, the first few show the same pictures in all four."""
        labels = photos(50, 50, 50, 50)
        pictures = {name: name.split("/")[1] if int(name.split("/")[1]) < shared else name for name in labels}
        held = held_out(labels, groups=pictures)
        assert not {pictures[name] for name in held} & {pictures[name] for name in labels.keys() - held}
        assert Counter(labels[name] for name in held) == {0: 5, 1: 5, 2: 5, 3: 5}

    def test_a_class_of_shared_pictures_alone_is_held_out_too(self):
        """All photos of class 1 are copies of photos of class 0, some of which are there twice."""
        labels = {**{f"0/{i}": 0 for i in range(40)}, **{f"1/{i}": 1 for i in range(12)}, "0/again": 0}
        pictures = {name: name.split("/")[1] for name in labels} | {"0/again": "0"}
        held = held_out(labels, groups=pictures)
        assert Counter(labels[name] for name in held) == {0: 4, 1: 1}
        assert not {pictures[name] for name in held} & {pictures[name] for name in labels.keys() - held}

    def test_a_class_without_a_picture_that_fits_gets_more_than_its_share(self):
        """Each picture is there three times, more than a tenth of 12; else val had none of it."""
        labels = photos(12)
        pictures = {name: int(name.split("/")[1]) // 3 for name in labels}
        held = held_out(labels, groups=pictures)
        assert len(held) == 3
        assert len({pictures[name] for name in held}) == 1

    def test_the_last_picture_of_a_class_stays(self):
        labels = {"0/0": 0, "1/0": 1, **{f"0/{i}": 0 for i in range(1, 20)}}
        pictures = {name: name for name in labels} | {"1/0": "0/0"}
        held = held_out(labels, groups=pictures)
        assert len(held) == 2
        assert not {"0/0", "1/0"} & held


class TestFolds:
    @pytest.mark.parametrize("counts", [(20, 60, 7), (7, 8, 2), (5, 5, 5)])
    @pytest.mark.parametrize("folds", [2, 5])
    def test_each_photo_is_in_one_and_the_folds_are_alike(self, counts, folds):
        labels = photos(*counts)
        found = stratified_folds(labels, folds)
        assert found.keys() == labels.keys()
        sizes = Counter(found.values())
        assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(folds)) <= 1
        for label in set(labels.values()):
            own = Counter(fold for name, fold in found.items() if labels[name] == label)
            assert max(own.values()) - min(own.get(fold, 0) for fold in range(folds)) <= 1

    def test_does_not_depend_on_the_order_but_on_the_seed(self):
        labels = photos(30, 20)
        shuffled = dict(random.Random(0).sample(sorted(labels.items()), len(labels)))
        assert stratified_folds(labels, 5) == stratified_folds(shuffled, 5)
        assert stratified_folds(labels, 5) != stratified_folds(labels, 5, seed=1)

    def test_copies_stay_together_and_the_only_photo_of_a_class_is_in_none(self):
        labels = photos(1, 10) | {"2/a": 2, "2/b": 2}  # the last two are copies
        groups = {name: name for name in labels} | {"1/0": "same", "1/1": "same", "2/a": "x", "2/b": "x"}
        found = stratified_folds(labels, 3, groups=groups)
        assert found["1/0"] == found["1/1"]
        assert found.keys() == {name for name in labels if name.startswith("1/")}
