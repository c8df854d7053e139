"""Returning of freed memory to the system.

Drawing the parameters and compiling a step take hundreds of megabytes for a moment, which the C library keeps.
A run does not need them after its first step; other programs may.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc


def give_back() -> None:
    """Frees what nothing refers to, and asks glibc (`malloc_trim`) to return free pages; elsewhere only the first."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
