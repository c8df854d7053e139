"""Memory use of this process and its devices; JAX is imported only for the devices."""

from __future__ import annotations

import re
from pathlib import Path


def resident() -> int | None:
    """Bytes that the process holds, which also begins a new peak; None where the system does not tell (not Linux)."""
    size = _status("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return size


def peak() -> int | None:
    """Bytes that the process held at most since `resident`; None where the system does not tell."""
    return _status("VmHWM")


def device_peak() -> int | None:
    """Bytes that this process's fullest accelerator held at most; None where the backend does not tell (the CPU)."""
    import jax

    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.local_devices()]
    return max((count for count in peaks if count is not None), default=None)


def _status(key: str) -> int | None:
    try:
        match = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None
