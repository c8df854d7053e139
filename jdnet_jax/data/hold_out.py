"""A seeded part of the training photos, held out for tuning."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping

_FRACTION = 0.1
_SEED = 0


def stratified_tenth(labels: Mapping[str, Hashable], pictures: Mapping[str, Hashable] | None = None) -> set[str]:
    """Names of about a tenth of the photos, stratified by label and with all copies of a picture on one side.

    Of each class a tenth is held out, at least one photo and never the last; which ones is decided by a hash of their
    names, so that it does not hang on the order in which they come. A picture that is there under several labels is
    taken only while all of them still want photos. Where that would leave a class without any, it is taken
    nevertheless, and the other classes get a little more than a tenth. The rarest classes choose first, as in the
    iterative stratification of Sechidis, Tsoumakas and Vlahavas (ECML PKDD 2011).

    Args:
        labels: the label of each photo, by its name.
        pictures: what the photo shows, alike for copies; None where no photo has one.
    """
    copies: dict[Hashable, list[str]] = defaultdict(list)
    for name in labels:
        copies[name if pictures is None else pictures[name]].append(name)
    in_turn = sorted(copies.values(), key=lambda names: hashlib.sha256(f"{_SEED}:{min(names)}".encode()).digest())
    counts = [Counter(labels[name] for name in names) for names in in_turn]
    having: dict[Hashable, list[int]] = defaultdict(list)  # positions in `in_turn`
    for position, count in enumerate(counts):
        for label in count:
            having[label].append(position)

    stay = Counter(labels.values())
    wanted = {label: min(max(1, round(_FRACTION * count)), count - 1) for label, count in stay.items()}
    held: set[int] = set()

    def take(label: Hashable, overfill: bool) -> None:
        for position in having[label]:
            if wanted[label] <= 0:
                return
            count = counts[position]
            leaves_some = all(stay[other] > n for other, n in count.items())
            fits = overfill or all(wanted[other] >= n for other, n in count.items())
            if position not in held and leaves_some and fits:
                held.add(position)
                for other, n in count.items():
                    wanted[other] -= n
                    stay[other] -= n
                if overfill:
                    return

    for label, total in sorted(stay.items(), key=lambda item: (item[1], str(item[0]))):
        take(label, overfill=False)
        if stay[label] == total:
            take(label, overfill=True)
    return {name for position in held for name in in_turn[position]}
