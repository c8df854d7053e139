"""Reads a pickle as plain data: nothing is imported, and only functions that the caller admits are called.

A pickle is a small program for a stack machine, and the general machine may import and call anything. This one knows
the instructions that build containers, strings and numbers; a global is a name to look up in the caller's table, and a
name that is not in it ends the reading. What is allocated is never larger than the bytes that were there to read.
"""

from __future__ import annotations

import io
import mmap
import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, cast


class RefusedError(ValueError):
    """The pickle asks for a function or class that is not admitted."""


def load(stream: io.BytesIO | mmap.mmap, admitted: Mapping[str, Any], persistent_load: Callable[[Any], Any]) -> Any:
    """Reads one pickle and leaves `stream` right behind it.

    Args:
        stream: where the pickle begins. (An open file would allocate whatever length a damaged pickle states.)
        admitted: what each global stands for, by its full name (`module.name`); `collections.OrderedDict` is known
            already and gives a dict. Only the callables among them are ever called.
        persistent_load: turns the id of an object that is stored outside the pickle into that object.

    Raises:
        RefusedError: a global is not admitted; nothing was called for it.
        ValueError, LookupError, TypeError: this is not a whole, well-formed pickle.
    """
    globals_ = {"collections.OrderedDict": _ordered_dict, **admitted}
    stack: list[Any] = []
    outer: list[list[Any]] = []  # the stacks below each open mark
    memo: dict[int, Any] = {}

    def pop_to_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, outer.pop()
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
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
            ):  # fmt: skip
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
                stack.append(_look_up(f"{module}.{name}", globals_))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not callable(function) or not isinstance(arguments, tuple):
                    raise TypeError("the pickle calls something that is not a function")
                stack.append(function(*arguments))
            case "BUILD":  # attributes for an object; an OrderedDict of torch carries `_metadata`, of no use here
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise TypeError("the pickle sets attributes of something other than a dictionary")
            case "BINPERSID":
                stack.append(persistent_load(stack.pop()))
            case "INST" | "OBJ" | "NEWOBJ" | "NEWOBJ_EX" | "EXT1" | "EXT2" | "EXT4":
                raise RefusedError(f"it builds an object ({opcode.name} {argument or ''})")
            case name:
                raise ValueError(f"the pickle uses the instruction {name}, which no weights file needs")
    raise ValueError("the pickle does not end")


def _look_up(name: str, globals_: Mapping[str, Any]) -> Any:
    if name not in globals_:
        raise RefusedError(f"it asks for {name[:100]!r}")
    return globals_[name]


def _extend(target: Any, items: list[Any]) -> None:
    if not isinstance(target, list):
        raise TypeError("the pickle appends to something other than a list")
    target.extend(items)


def _update(target: Any, items: Iterable[tuple[Any, Any]]) -> None:
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
