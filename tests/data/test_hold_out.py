from collections import Counter

import pytest

from jdnet_jax.data.hold_out import stratified_tenth


def photos(*counts):
    """`counts[c]` photos of each class c."""
    return {f"{c}/{i}": c for c, count in enumerate(counts) for i in range(count)}


def test_takes_a_tenth_of_each_class():
    labels = photos(20, 60, 7)
    assert Counter(labels[name] for name in stratified_tenth(labels)) == {0: 2, 1: 6, 2: 1}


def test_does_not_depend_on_the_order():
    labels = photos(30, 20)
    assert stratified_tenth(labels) == stratified_tenth(dict(reversed(labels.items())))


def test_is_not_the_first_photos():
    held = stratified_tenth(photos(100))
    assert len(held) == 10
    assert max(int(name.split("/")[1]) for name in held) > 50


def test_leaves_a_single_photo():
    labels = photos(1, 2)
    assert Counter(labels[name] for name in stratified_tenth(labels)) == {1: 1}


@pytest.mark.parametrize("shared", [1, 5, 20])
def test_copies_stay_together(shared):
    """Of 50 photos of each of four classes, the first few show the same pictures in all four."""
    labels = photos(50, 50, 50, 50)
    pictures = {name: name.split("/")[1] if int(name.split("/")[1]) < shared else name for name in labels}
    held = stratified_tenth(labels, pictures)
    assert not {pictures[name] for name in held} & {pictures[name] for name in labels.keys() - held}
    assert Counter(labels[name] for name in held) == {0: 5, 1: 5, 2: 5, 3: 5}


def test_a_class_of_shared_pictures_alone_is_held_out_too():
    """All photos of class 1 are copies of photos of class 0, some of which are there twice."""
    labels = {**{f"0/{i}": 0 for i in range(40)}, **{f"1/{i}": 1 for i in range(12)}, "0/again": 0}
    pictures = {name: name.split("/")[1] for name in labels} | {"0/again": "0"}
    held = stratified_tenth(labels, pictures)
    assert Counter(labels[name] for name in held) == {0: 4, 1: 1}
    assert not {pictures[name] for name in held} & {pictures[name] for name in labels.keys() - held}


def test_a_class_without_a_picture_of_its_own_overfills_the_other():
    """Each picture of class 0 is there three times, more than its tenth; without overfilling val had none of it."""
    labels = photos(12)
    pictures = {name: int(name.split("/")[1]) // 3 for name in labels}
    held = stratified_tenth(labels, pictures)
    assert len(held) == 3
    assert len({pictures[name] for name in held}) == 1


def test_the_last_picture_of_a_class_stays():
    labels = {"0/0": 0, "1/0": 1, **{f"0/{i}": 0 for i in range(1, 20)}}
    pictures = {name: name for name in labels} | {"1/0": "0/0"}
    held = stratified_tenth(labels, pictures)
    assert len(held) == 2
    assert not {"0/0", "1/0"} & held
