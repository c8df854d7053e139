"""Wording of lists and counts in messages."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice


def listed(names: Collection[str], limit: int = 10) -> str:
    """`a, b, c`, or the first `limit` names and how many more there are; `none` for none."""
    if not names:
        return "none"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(islice(names, limit)) + more


def counted(number: int, noun: str) -> str:
    """`1 photo`, `2 photos`, `2 classes`."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
