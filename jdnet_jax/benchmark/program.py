"""Instructions of a compiled program, read from XLA's text of it (`compiled.as_text()`)."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) (?:\(.*\) -> .*)?\{$")
_NAME = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = ")
# The first word with a bracket after the result's shape, whose own brackets (tiles) follow no space.
_OPCODE = re.compile(r" ([a-z][a-z0-9\-]*)\(")
_OPERAND = re.compile(r"%([\w.\-]+)")
# An array's type, sides, and where told its layout: the sides from the innermost, and the tile that it is padded to.
_ARRAY = re.compile(r"\b(pred|[a-z]+?(\d+)[a-z0-9]*)\[([\d,]*)\](?:\{([\d,]*)(?::T\(([\d,]+)\))?)?")
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_BODY = re.compile(r"\bbody=%?([\w.\-]+)")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')
_CALLED = re.compile(r"\b(?:to_apply|calls)=%?([\w.\-]+)")
_ARGUMENT = re.compile(r" parameter\((\d+)\)")
# They move nothing: they name what is there already.
_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "iota")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction: a line of the program.

    Attributes:
        name: name of the instruction.
        opcode: in XLA's words, such as `fusion`.
        result: the type of its result.
        operands: the instructions whose results it reads.
        line: its whole text.
    """

    name: str
    opcode: str
    result: str
    operands: tuple[str, ...]
    line: str

    @property
    def source(self) -> str:
        """The name of the JAX operation that it comes from; empty where XLA does not record it."""
        match = _OP_NAME.search(self.line)
        return match[1] if match else ""


@dataclasses.dataclass(frozen=True)
class Program:
    """A program's instructions, by computation.

    Attributes:
        computations: name -> instructions.
        entry: name of the computation that is run.
        aliased: numbers of the arguments whose memory the results take.
    """

    computations: Mapping[str, tuple[Instruction, ...]]
    entry: str
    aliased: frozenset[int]

    def scheduled(self, computation: str | None = None, times: int = 1) -> Iterator[tuple[Instruction, int]]:
        """The instructions that are run one by one, and how often: not those inside fusions; loops' as they repeat."""
        for one in self.computations.get(computation or self.entry, ()):
            if one.opcode == "while":
                trips, body = _TRIPS.search(one.line), _BODY.search(one.line)
                yield from self.scheduled(body[1] if body else "", times * (int(trips[1]) if trips else 1))
            elif one.opcode == "call":
                called = _CALLED.search(one.line)
                yield from self.scheduled(called[1] if called else "", times)
            elif one.opcode not in _FREE and not one.opcode.endswith("-done"):
                yield one, times

    def traffic(self) -> list[tuple[int, Instruction]]:
        """Bytes that each scheduled instruction reads and writes; of what it only slices, the slices."""
        results = {one.name: one.result for instructions in self.computations.values() for one in instructions}
        traffic = []
        for one, times in self.scheduled():
            read = [_sizes(results.get(name, ""))[0] for name in one.operands]
            called = _CALLED.search(one.line) if one.opcode == "fusion" else None
            for number, sliced in self._slices(called[1] if called else "").items():
                read[number] = min(read[number], sliced)
            traffic.append((times * (_sizes(one.result)[0] + sum(read)), one))
        return traffic

    def _slices(self, computation: str) -> dict[int, int]:
        """Number of each argument of a fusion of which only slices are read -> bytes of these slices."""
        inside = self.computations.get(computation, ())
        sizes = {}
        for argument in inside:
            number = _ARGUMENT.search(argument.line)
            users = [one for one in inside if argument.name in one.operands]
            if number and users and all(one.opcode in ("slice", "dynamic-slice") for one in users):
                sizes[int(number[1])] = sum(_sizes(one.result)[0] for one in users)
        return sizes

    def padding(self) -> float:
        """Share of the bytes of all scheduled results that is padding to whole tiles, in [0, 1)."""
        sizes = [_sizes(one.result) for one, times in self.scheduled() for _ in range(times)]
        padded = sum(size for _, size in sizes)
        return 1 - sum(size for size, _ in sizes) / padded if padded else 0.0

    def copies(self, least: int) -> list[int]:
        """Bytes of each copy of at least `least` bytes, wherever it stands."""
        sizes = [
            _sizes(one.result)[0]
            for instructions in self.computations.values()
            for one in instructions
            if one.opcode == "copy"
        ]
        return [size for size in sizes if size >= least]

    def arguments(self) -> list[str]:
        """The types of its arguments, in their order."""
        types = {
            int(number[1]): one.result.strip()
            for one in self.computations.get(self.entry, ())
            if (number := _ARGUMENT.search(one.line))
        }
        return [types[number] for number in sorted(types)]


def read(text: str) -> Program:
    """The program of XLA's text."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", computations.setdefault("", [])
    for line in text.splitlines():
        if begun := _COMPUTATION.match(line):
            current = computations.setdefault(begun[1], [])
            entry = begun[1] if line.startswith("ENTRY") else entry
        elif name := _NAME.match(line):
            rest = line[name.end() - 1 :]
            opcode = _OPCODE.search(rest)
            if opcode:
                operands = tuple(_OPERAND.findall(_bracket(rest[opcode.end() :])))
                current.append(Instruction(name[1], opcode[1], rest[: opcode.start()], operands, line))
    header = text.partition("\n")[0]
    # input_output_alias={ {0}: (0, {}, may-alias), ... }
    aliased = frozenset(map(int, re.findall(r"\}: \((\d+), \{[\d, ]*\}, (?:may|must)-alias\)", header)))
    return Program({name: tuple(instructions) for name, instructions in computations.items()}, entry, aliased)


def _bracket(text: str) -> str:
    """The text before the bracket that closes an open one."""
    depth = 1
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[:i]
    return text


def _sizes(shape: str) -> tuple[int, int]:
    """Bytes of a type's arrays: of their values, and as they lie in memory."""
    values = padded = 0
    for _, bits, sides, order, tile in _ARRAY.findall(shape):
        width = max(1, int(bits or 8) // 8)  # a boolean takes a byte
        lengths = [int(side) for side in sides.split(",") if side]
        values += width * math.prod(lengths)
        innermost = [int(i) for i in order.split(",") if i]
        for side, multiple in zip(innermost, reversed([int(t) for t in tile.split(",") if t]), strict=False):
            lengths[side] = -(-lengths[side] // multiple) * multiple
        padded += width * math.prod(lengths)
    return values, padded
