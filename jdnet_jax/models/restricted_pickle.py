"""A restricted reader of pickles as plain data: it imports nothing and calls only functions that the caller admits.

A pickle is a small program for a stack machine, and the general machine may import and call anything. This one knows
the instructions that build containers, strings and numbers; a global is a name to look up in the caller's table, and a
name that is not in it ends the reading.

Time and memory are linear in the bytes that are read. A pickle can name one object any number of times, so nothing here
processes an object again each time that it is named (by a hash, a comparison, a text or a copy), and the number of
arguments of functions is limited by what was read.
"""

from __future__ import annotations

import io
import mmap
import pickletools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Sized
from typing import IO, Any, Final, cast


class RefusedError(ValueError):
    """The pickle asks for a function or class that is not admitted."""


class Inert:
    """A placeholder for an object that is not needed: it is empty, and nothing was called to create it."""

    def __repr__(self) -> str:
        return "an object that is not read"


INERT: Final = Inert()

_MOST_INSTRUCTIONS = 10_000_000  # some twenty seconds; the largest networks with their optimisers have a tenth
_MOST_ARGUMENTS = 16  # of a call, and parts of the id of an object outside; torch's have seven
_MOST_BYTES_OF_A_NUMBER = 64  # hashing a longer one takes time, each time
_MOST_HANDED = 2  # items that calls are handed, for each instruction; in torch's files each has exactly one


def load(
    stream: io.BytesIO | mmap.mmap,
    admitted: Mapping[str, Any],
    persistent_load: Callable[[Any], Any],
    inert: Collection[str] = (),
) -> Any:
    """Reads one pickle and leaves `stream` right after it.

    Args:
        stream: where the pickle begins. (An open file would allocate whatever length a damaged pickle states.)
        admitted: what each global stands for, by its full name (`module.name`); `collections.OrderedDict` is known
            already and gives a dict. Only the callables among them are ever called.
        persistent_load: turns the id of an object that is stored outside the pickle into that object.
        inert: full names of functions and classes whose results are not needed: INERT stands for them and for all that
            is made with them.

    Raises:
        RefusedError: a global is neither admitted nor inert; nothing was called for it.
        ValueError, LookupError, TypeError: this is not a whole, well-formed pickle.
    """
    globals_ = {"collections.OrderedDict": _ordered_dict, **dict.fromkeys(inert, INERT), **admitted}
    stack: list[Any] = []
    outer: list[list[Any]] = []  # the stacks below each open mark
    memo: dict[int, Any] = {}
    instructions = handed = 0

    def pop_to_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, outer.pop()
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
        if (instructions := instructions + 1) > _MOST_INSTRUCTIONS:
            raise ValueError(f"the pickle has more than {_MOST_INSTRUCTIONS:,} instructions")
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                outer.append(stack)
                stack = []
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case (
                "BININT" | "BININT1" | "BININT2" | "LONG1" | "LONG4" | "BINFLOAT"
                | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "BINSTRING" | "SHORT_BINSTRING"
                | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8"
            ):  # fmt: skip
                if isinstance(argument, int) and argument.bit_length() > 8 * _MOST_BYTES_OF_A_NUMBER:
                    raise ValueError(f"the pickle has a number of {argument.bit_length()} bits")
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                items = pop_to_mark()
                stack.append(tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                length = int(opcode.name[-1])
                if len(stack) < length:
                    raise IndexError("the pickle's stack is empty")
                stack[-length:] = [tuple(stack[-length:])]
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                item = stack.pop()
                _extend(stack[-1], [item])
            case "APPENDS":
                items = pop_to_mark()
                _extend(stack[-1], items)
            case "EMPTY_SET":
                stack.append(INERT)
            case "ADDITEMS":
                pop_to_mark()
            case "FROZENSET":
                pop_to_mark()
                stack.append(INERT)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _update(stack[-1], [(key, value)])
            case "SETITEMS":
                items = pop_to_mark()
                _update(stack[-1], zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_look_up(argument.replace(" ", "."), globals_))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                if not (isinstance(name, str) and isinstance(module, str)):  # a text of another object could be endless
                    raise TypeError("the pickle asks for something whose name is not a text")
                stack.append(_look_up(f"{module[:100]}.{name[:100]}", globals_))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(arguments, tuple):
                    raise TypeError("the pickle calls something that is not a function")
                if function is INERT:
                    stack.append(INERT)
                    continue
                if not callable(function):
                    raise TypeError("the pickle calls something that is not a function")
                if len(arguments) > _MOST_ARGUMENTS:
                    raise ValueError(f"the pickle calls a function with {len(arguments)} arguments")
                handed += sum(len(item) for item in arguments if isinstance(item, Sized))
                if handed > _MOST_HANDED * instructions + 1000:
                    raise ValueError("the pickle hands the same objects to functions again and again")
                stack.append(function(*arguments))
            case "NEWOBJ":
                arguments, kind = stack.pop(), stack.pop()
                if kind is not INERT:
                    raise RefusedError(f"it builds an object ({opcode.name})")
                stack.append(INERT)
            case "BUILD":  # attributes for an object; an OrderedDict of torch carries `_metadata`, of no use here
                stack.pop()
                if not isinstance(stack[-1], dict | Inert):
                    raise TypeError("the pickle sets attributes of something other than a dictionary")
            case "BINPERSID":
                outside = stack.pop()
                if not isinstance(outside, tuple) or len(outside) > _MOST_ARGUMENTS:
                    raise ValueError("the id of an object outside the pickle is none that torch writes")
                stack.append(persistent_load(outside))
            case "INST" | "OBJ" | "NEWOBJ_EX" | "EXT1" | "EXT2" | "EXT4":
                raise RefusedError(f"it builds an object ({opcode.name} {str(argument or '')[:100]})")
            case name:
                raise ValueError(f"the pickle uses the instruction {name}, which no weights file needs")
    raise ValueError("the pickle does not end")


def _look_up(name: str, globals_: Mapping[str, Any]) -> Any:
    if name not in globals_:
        raise RefusedError(f"it asks for {name[:100]!r}")
    return globals_[name]


def _extend(target: Any, items: list[Any]) -> None:
    if target is INERT:
        return
    if not isinstance(target, list):
        raise TypeError("the pickle appends to something other than a list")
    target.extend(items)


def _update(target: Any, items: Iterable[Sequence[Any]]) -> None:
    if target is INERT:
        return
    if not isinstance(target, dict):
        raise TypeError("the pickle sets items of something other than a dictionary")
    for key, value in items:
        # Hashing a deeply nested tuple would overflow the interpreter's stack; weights have no such keys.
        if not isinstance(key, str | int | float | None):
            raise TypeError("a key is neither a string nor a number")
        target[key] = value


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    _update(result, items)
    return result
