"""How layers are written in XLA's operations: in the form that runs fastest, or as one operation for each layer.

Training wants the first, and has forms of its own for the CPU. A converter to another format needs the second: it
recognises a layer by its operation, and would keep a convolution that is written out as shifted multiply-adds so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_PLAIN = ContextVar("plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Layers traced inside are one operation each.

    Trace a new function inside: what `jax.jit` has traced before, it does not trace again.
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def is_plain() -> bool:
    """Whether layers are to be one operation each."""
    return _PLAIN.get()
