"""Child processes that end with their parent, however it ends."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from typing import Any

VARIABLE = "JDNET_JAX_PARENT_PIPE"


def ending_with_this() -> dict[str, Any]:
    """Arguments for `subprocess.Popen` and `run` so that the child, a command of this project, ends with this process.

    The child inherits the reading end of a pipe; only this process has the other end. The system closes that end when
    this process is gone, even by SIGKILL, and the child then ends as after SIGTERM.
    """
    read = _pipe()[0]
    return {"pass_fds": (read,), "env": {**os.environ, VARIABLE: str(read)}}


def end_with_parent() -> None:
    """Ends this process by SIGTERM once its parent is gone, if it was started with `ending_with_this`."""
    inherited = os.environ.pop(VARIABLE, "")
    if inherited.isdecimal():
        with contextlib.suppress(OSError):  # one who set the variable by hand
            os.set_inheritable(int(inherited), False)
            threading.Thread(target=_wait, args=(int(inherited),), name="parent", daemon=True).start()


@functools.cache
def _pipe() -> tuple[int, int]:
    return os.pipe()


def _wait(pipe: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(pipe, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
