"""The splits of UECFood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from jdnet_jax.data.hold_out import stratified_hold_out
from jdnet_jax.data.uec_food.listing import Photo

TRAINS = ("complement", "other_lists")

_HOLDOUT_FRACTION = 0.1


def candidates(
    train: str, there: Iterable[Photo], lists: Sequence[AbstractSet[Photo]], fold: int
) -> tuple[frozenset[Photo], frozenset[Photo]]:
    """The photos for train and for test, before any is left out; the two are disjoint.

    Args:
        train: 'complement' for every photo that is there and not in the fold's list, 'other_lists' for those of the
            other four lists.
        there: the photos whose files are there.
        lists: the list of each fold.
        fold: the fold whose list is the test set.
    """
    test = frozenset(lists[fold])
    pool = (
        there if train == "complement" else (photo for i, photos in enumerate(lists) if i != fold for photo in photos)
    )
    return frozenset(pool) - test, test


def duplicates(train: Iterable[Photo], test: Iterable[Photo], contents: Mapping[Photo, bytes]) -> dict[Photo, Photo]:
    """The photos of train whose picture is in test, each with the photo that shows it there.

    Args:
        train: photos of any class.
        test: photos of any class.
        contents: photo -> a value that is equal for identical files.
    """
    in_test = {contents[photo]: photo for photo in sorted(test)}
    return {photo: in_test[contents[photo]] for photo in sorted(train) if contents[photo] in in_test}


def hold_out(train: Collection[Photo], contents: Mapping[Photo, bytes]) -> frozenset[Photo]:
    """A tenth of train, by class, with all copies of a picture on one side."""
    by_name = {str(photo): photo for photo in train}
    labels = {name: photo.label for name, photo in by_name.items()}
    pictures = {name: contents[photo] for name, photo in by_name.items()}
    held = stratified_hold_out(labels, {"val": _HOLDOUT_FRACTION}, groups=pictures)["val"]
    return frozenset(by_name[name] for name in held)


def under_several_classes(photos: Collection[Photo], contents: Mapping[Photo, bytes]) -> int:
    """The number of photos whose picture also occurs under another class."""
    labels = defaultdict(set)
    for photo in photos:
        labels[contents[photo]].add(photo.label)
    return sum(len(labels[contents[photo]]) > 1 for photo in photos)
