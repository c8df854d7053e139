import pytest

from jdnet_jax.data.uec_food.listing import Photo
from jdnet_jax.data.uec_food.split import candidates, duplicates, hold_out, under_several_classes

A, B, C, D, E, F = (Photo(label, number) for label, number in ((0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)))
LISTS = (frozenset({A}), frozenset({B}), frozenset({C, A}), frozenset({D}), frozenset({E}))


@pytest.mark.parametrize(
    ("train", "fold", "expected"),
    [
        ("complement", 0, {B, C, D, E, F}),  # F is in no list
        ("other_lists", 0, {B, C, D, E}),  # A is in two lists: it is tested, so it is not trained on
        ("complement", 2, {B, D, E, F}),
        ("other_lists", 4, {A, B, C, D}),
    ],
)
def test_candidates(train, fold, expected):
    assert candidates(train, [A, B, C, D, E, F], LISTS, fold) == (expected, LISTS[fold])


def test_duplicates_whatever_their_label():
    contents = {A: b"a", B: b"b", C: b"a", D: b"d", E: b"a"}
    assert duplicates({C, D, E}, {A, B}, contents) == {C: A, E: A}
    assert duplicates({D}, {A, B}, contents) == {}


def test_under_several_classes():
    contents = {A: b"a", B: b"a", C: b"c", D: b"d", E: b"c", F: b"f"}
    assert under_several_classes({A, B, D, F}, contents) == 0  # twice under the same class is not several
    assert under_several_classes({A, B, C, D, E, F}, contents) == 2


def test_hold_out_keeps_pictures_together():
    photos = {Photo(label, 100 * label + i) for label in range(3) for i in range(50)}
    contents = {photo: bytes([photo.number % 100]) for photo in photos}  # each picture under all three classes
    val = hold_out(photos, contents)
    assert len(val) == 15
    assert not {contents[photo] for photo in val} & {contents[photo] for photo in photos - val}
