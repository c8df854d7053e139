"""JSON files of this project, read with a check of the types of their content."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

#: Kinds of values: a type or several of them (a boolean is no number), `Each`, or a dictionary of the kinds of keys, in
#: which a key that ends in `?` may be missing.
Kinds = Any
NUMBER = (int, float)


@dataclasses.dataclass(frozen=True)
class Each:
    """The type of a dictionary with any keys.

    Attributes:
        kinds: kinds of the values.
    """

    kinds: Kinds


def read(path: Path, kinds: Kinds, remedy: str) -> dict[str, Any]:
    """The content of a file.

    Args:
        path: path of the file.
        kinds: the kinds that the content must have.
        remedy: what to do where it has others, for the message.

    Raises:
        UserError: it cannot be read, is no JSON, or of other kinds.
    """
    try:
        content = json.loads(user_files.read_bytes(path, user_files.MAX_TEXT).decode("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): {remedy}") from error
    if (misfit := _misfit(content, kinds, "")) is not None:
        raise UserError(f"{path} is damaged ({misfit}): {remedy}")
    return content


def _misfit(value: Any, kinds: Kinds, name: str) -> str | None:
    """The first entry of another type, in words; None if there is none."""
    if not isinstance(kinds, (dict, Each)):
        is_kind = isinstance(value, kinds) and (not isinstance(value, bool) or kinds is bool)
        return None if is_kind else f"{name} is {_shown(value)}"
    if not isinstance(value, dict):
        return f"{name or 'it'} is {_shown(value)}, not a section"
    if isinstance(kinds, Each):
        kinds = dict.fromkeys(value, kinds.kinds)
    for key, expected in kinds.items():
        inside = f"{name}.{key}".removeprefix(".").removesuffix("?")
        if (plain := key.removesuffix("?")) in value:
            if (misfit := _misfit(value[plain], expected, inside)) is not None:
                return misfit
        elif plain == key:
            return f"{inside} is missing"
    return None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else f"{text[:40]}..."
