"""Seeded hold-outs that do not hang on the order in which photos are listed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable


def hold_out(
    paths: Iterable[str], count: int, seed: int, group_of: Callable[[str], Hashable] = str
) -> tuple[list[str], list[str]]:
    """Divides the photos of one class into those kept for training and those held out.

    A SHA-256 of seed and path decides, so that a photo that is added or taken away moves few others. At least one photo
    is held out where that leaves one to train on, and none where it does not.

    Args:
        paths: of the photos, each different.
        count: how many to hold out; fewer where the next groups are too large for it.
        seed: another seed holds out others.
        group_of: tells which photos must not be parted: those of the same group. Where every group is larger than
            `count`, the smallest is held out.

    Returns:
        The paths kept and the paths held out, each in the order of their hashes.
    """
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for path in sorted(paths, key=lambda path: hashlib.sha256(f"{seed}:{path}".encode()).digest()):
        groups[group_of(path)].append(path)
    size = sum(map(len, groups.values()))
    count = min(max(1, count), size - 1)
    held: list[str] = []
    for group in groups.values():
        if len(held) + len(group) <= count:
            held += group
    if not held and len(groups) > 1:
        held = min(groups.values(), key=len)
    taken = set(held)
    return [path for group in groups.values() for path in group if path not in taken], held
