"""The number of CPUs for a runner."""

from __future__ import annotations

import os


def available() -> int:
    """CPUs that this process may use, fewer than the machine has where it is confined to some (`taskset`)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
