"""Printable forms of text from outside: names of files, classes and tensors, and error messages with them."""

from __future__ import annotations

import os
import re

# Control characters (a terminal acts upon them), line separators, and what turns the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str | os.PathLike[str]) -> str:
    r"""The text on one line, with nothing in it that a terminal acts upon.

    Control characters become escapes as Python writes them, such as `\n` and `\x1b`; bytes of a path that are no text
    become replacement characters. All other characters stay, whatever their script.
    """
    return _UNPRINTABLE.sub(_escaped, os.fspath(text))


def lines(text: str) -> str:
    """The text, printable, with its lines kept."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return "\ufffd" if "\ud800" <= character <= "\udfff" else character.encode("unicode_escape").decode()
