"""The exception for users' mistakes, and the message for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's, told in one line: what is wrong, where, and what to do.

    Commands print the message without a traceback and exit with status 2. Library code raises it where the
    cause lies outside the program: a config value, a path, a file's content, a full disk.
    """


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for an unknown name: the nearest known one, and all known names."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {kind} {str(name)!r}; {hint}known: {', '.join(known)}"
