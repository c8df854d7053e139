"""Ports of this machine that are free, for tests."""

import contextlib
import socket


def free_port(lowest=0):
    """A port of this machine that is free, at or above `lowest`."""
    for candidate in (0,) if lowest == 0 else range(lowest, 65536):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", candidate))
            return probe.getsockname()[1]
    raise RuntimeError(f"no port from {lowest} is free")
