"""Held-out parts of the training photos for tuning and testing, chosen by a seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from jdnet_jax.process.errors import UserError


def check_options(builder: str, split_seed: object, **fractions: object) -> None:
    """Checks the options of a builder that holds parts out of train.

    Args:
        builder: name of the builder, for messages.
        split_seed: the option of that name.
        fractions: the options `val_fraction` and, where there is one, `test_fraction`.

    Raises:
        UserError: an option is impossible.
    """
    shares: list[float] = []
    for option, value in fractions.items():
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise UserError(f"dataset.options.{option}={value!r} of {builder} must be above 0 and below 1")
        shares.append(value)
    if sum(shares) >= 1:
        both = " and ".join(f"{option}={value}" for option, value in fractions.items())
        raise UserError(f"dataset.options.{both} of {builder} leave nothing to train on: their sum must be below 1")
    if not isinstance(split_seed, int):
        raise UserError(f"dataset.options.split_seed={split_seed!r} of {builder} must be an integer")


def stratified_hold_out(
    labels: Mapping[str, Hashable],
    fractions: Mapping[str, float],
    seed: int = 0,
    groups: Mapping[str, Hashable] | None = None,
) -> dict[str, set[str]]:
    """Holds one or several parts of the photos out, stratified by label, keeping the photos of a group together.

    Of each label every part gets its share, rounded; at least one photo, but never the last one, and no more than
    leaves one for training and one for each part still to come. The parts are filled one after the other; where photos
    are too few for that, the first ones get theirs. Which photos is decided by a SHA-256 of seed and name, so that it
    does not depend on the order of the photos, and a photo that is added or taken away moves few others.

    A group is taken only while all labels in it still want as many photos as it has of them; smaller ones fill up what
    a large one leaves. Where that would leave a part without a label, the smallest of the label's groups is taken
    nevertheless, and the part gets a little more than its share. The rarest labels choose first, as in the iterative
    stratification of Sechidis, Tsoumakas and Vlahavas (ECML PKDD 2011).

    Args:
        labels: the label of each photo, by its name.
        fractions: part -> its share of the photos of each label; their sum is below 1.
        seed: another seed takes others.
        groups: tells which photos must stay together, as copies of a picture must: those that it maps to the same
            value. None if there are no groups.

    Returns:
        The names of the photos in each part. What is in none is left for training.
    """
    left = _shuffled(labels, seed, groups)
    total = Counter(labels.values())
    parts: dict[str, set[str]] = {}
    for number, (part, fraction) in enumerate(fractions.items(), start=1):
        to_come = len(fractions) - number
        wanted = {
            label: min(max(1, min(round(fraction * total[label]), count - 1 - to_come)), count - 1)
            for label, count in Counter(labels[name] for names in left for name in names).items()
        }
        chosen = _choose(left, labels, wanted)
        parts[part] = {name for position in chosen for name in left[position]}
        left = [names for position, names in enumerate(left) if position not in chosen]
    return parts


def stratified_folds(
    labels: Mapping[str, Hashable],
    folds: int,
    seed: int = 0,
    groups: Mapping[str, Hashable] | None = None,
) -> dict[str, int]:
    """Divides the photos into folds, each of which is to be tested on once (Kohavi, IJCAI 1995).

    The groups of each label are dealt out in turn, and those of the next label from where that ended, so that the
    folds' numbers of groups of each label, and in all, differ by at most one. The order is that of
    `stratified_hold_out`.

    Args:
        labels: the label of each photo, by its name; the photos of a group have one.
        folds: number of folds, at least 2.
        seed: another seed gives other folds.
        groups: see `stratified_hold_out`.

    Returns:
        The fold of each photo, from 0. The only group of a label is in none, as nothing would be left to learn it from.
    """
    of_label: dict[Hashable, list[list[str]]] = defaultdict(list)
    for names in _shuffled(labels, seed, groups):
        of_label[labels[names[0]]].append(names)
    fold_of: dict[str, int] = {}
    turn = 0
    for _, members in sorted(of_label.items(), key=lambda item: str(item[0])):
        if len(members) == 1:
            continue
        for names in members:
            fold_of.update(dict.fromkeys(names, turn % folds))
            turn += 1
    return fold_of


def _shuffled(labels: Mapping[str, Hashable], seed: int, groups: Mapping[str, Hashable] | None) -> list[list[str]]:
    """The names of each group, in an order that a hash decides."""
    members: dict[Hashable, list[str]] = defaultdict(list)
    for name in labels:
        members[name if groups is None else groups[name]].append(name)
    return sorted(members.values(), key=lambda names: hashlib.sha256(f"{seed}:{min(names)}".encode()).digest())


def _choose(
    groups: Sequence[Sequence[str]], labels: Mapping[str, Hashable], wanted: Mapping[Hashable, int]
) -> set[int]:
    """The positions of the groups to take, earlier ones first; see `stratified_hold_out`.

    Args:
        groups: names of the photos of each group.
        labels: the label of each photo, by its name.
        wanted: label -> number of photos to take, fewer than there are.
    """

    def count(position: int) -> Counter[Hashable]:
        return Counter(labels[name] for name in groups[position])

    having: dict[Hashable, list[int]] = defaultdict(list)
    for position, names in enumerate(groups):
        for label in {labels[name] for name in names}:
            having[label].append(position)
    left = Counter(labels[name] for names in groups for name in names)
    missing = Counter(wanted)
    chosen: set[int] = set()

    def take(position: int) -> None:
        chosen.add(position)
        missing.subtract(count(position))
        left.subtract(count(position))

    for label, total in sorted(left.items(), key=lambda item: (item[1], str(item[0]))):
        for position in having[label]:
            if missing[label] <= 0:
                break
            if position not in chosen and all(missing[other] >= n for other, n in count(position).items()):
                take(position)
        if missing[label] > 0 and left[label] == total:
            spare = [
                position for position in having[label] if all(left[other] > n for other, n in count(position).items())
            ]
            if spare:
                take(min(spare, key=lambda position: len(groups[position])))
    return chosen
