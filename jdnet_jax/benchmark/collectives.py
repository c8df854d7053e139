"""Collective operations of a compiled step: what it sends between devices, counted in XLA's program for one device."""

from __future__ import annotations

import dataclasses
import math
import re

_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
# `%name = SHAPE all-reduce(`, or the first half of one that runs beside other work.
_OPERATION = re.compile(rf"= (\(.*?\)|\S+) ({_KINDS})(?:-start)?\(")
_ARRAY = re.compile(r"\b(pred|[a-z]+?(\d+)[a-z0-9]*)\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class Collective:
    """One kind of collective operation in a program; an operation inside a loop counts once.

    Attributes:
        kind: in XLA's words, such as `all-reduce`.
        arrays: number of arrays that it takes together.
        size: size of their values on one device, in bytes.
    """

    kind: str
    arrays: int
    size: int


def collectives(program: str) -> list[Collective]:
    """The collective operations of a compiled program in XLA's text form (`compiled.as_text()`)."""
    operations = []
    for shape, kind in _OPERATION.findall(program):
        sizes = [_bytes(bits, dimensions) for _, bits, dimensions in _ARRAY.findall(shape)]
        operations.append(Collective(kind, len(sizes), sum(sizes)))
    return operations


def _bytes(bits: str, dimensions: str) -> int:
    count = math.prod(int(side) for side in dimensions.split(",") if side)
    return count * max(1, int(bits or 8) // 8)  # a boolean takes a byte
