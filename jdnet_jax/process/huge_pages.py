"""Huge pages, on systems where Linux gives them only on request.

On the CPU, XLA takes the scratch memory of a step from the C library at each step and gives it back, half a gigabyte
for ResNet-50 and MobileNetV2 at batch 8 and 128 px. In pages of 4 kB, handing them out is a fifth of the step's work.
glibc asks for pages of 2 MB where its tunable `glibc.malloc.hugetlb` is 1 when the process starts (since 2.35, see
"Memory Allocation Tunables" in its manual), so a command restarts itself with it if the kernel gives
huge pages only on request. If the kernel gives them unasked (`always`), or never, there is nothing to do.

This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_TUNABLE = "glibc.malloc.hugetlb"
_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def tunables(environ: Mapping[str, str], setting: str) -> str | None:
    """The value of GLIBC_TUNABLES for a restart of the process; None if no restart is needed.

    Args:
        environ: the environment; a value for the tunable in it stays, so that 0 keeps the small pages.
        setting: what the kernel says of transparent huge pages, such as `always [madvise] never`.
    """
    current = environ.get("GLIBC_TUNABLES", "")
    if _TUNABLE in current or "[madvise]" not in setting:
        return None
    return f"{current}:{_TUNABLE}=1" if current else f"{_TUNABLE}=1"


def ask() -> None:
    """Restarts this process if it then gets huge pages, with the same process id, arguments, folder and open files.

    Call it before anything else. It does nothing on systems other than Linux; another C library than glibc ignores the
    variable.
    """
    with contextlib.suppress(OSError):
        wanted = tunables(os.environ, _SETTING.read_text())
        if wanted is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            arguments = [sys.executable, *sys.orig_argv[1:]]
            os.execve(sys.executable, arguments, {**os.environ, "GLIBC_TUNABLES": wanted})
