"""Errors in config files as one line: file, line and reason."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator

from absl import flags

from jdnet_jax.process.errors import UserError


def describe(error: BaseException) -> str | None:
    """The place of an error in a config file, and the error; None if it arose elsewhere.

    Args:
        error: raised while flags were parsed, by the file itself or by the library that runs it.
    """
    if "config" not in flags.FLAGS:
        return None
    loads = type(flags.FLAGS["config"].parser).parse.__code__
    for cause in _causes(error):
        frames = list(traceback.walk_tb(cause.__traceback__))
        path = next((str(frame.f_locals["path"]) for frame, _ in frames if frame.f_code is loads), None)
        if path is None:
            continue
        path = path.partition(":")[0]
        if isinstance(cause, UserError):
            return str(cause)
        if isinstance(cause, SyntaxError) and cause.filename and cause.lineno:
            return f"{cause.filename}, line {cause.lineno}: {type(cause).__name__}: {cause.msg}"
        reason = "it ends the program" if isinstance(cause, SystemExit) else _reason(cause)
        lines = [line for frame, line in frames if os.path.realpath(frame.f_code.co_filename) == os.path.realpath(path)]
        if lines:
            return f"{path}, line {lines[-1]}: {reason}"
        if not isinstance(cause, OSError):  # not a missing file, but one without `get_config`, say
            return f"{path}: {reason}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the first cause first: the library wraps what the file raised."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    return reversed(chain)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
