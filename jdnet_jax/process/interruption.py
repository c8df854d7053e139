"""SIGTERM and SIGINT as requests to save and end: a cloud's notice of preemption, Ctrl-C, `kill`."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from jdnet_jax.process.progress import say

EXIT_STATUS = os.EX_TEMPFAIL  # 75: not finished, the same command continues
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """The run ended early because a signal asked for it; the message says what is saved."""


class Interruption:
    """A context in which the first signal is noted for the loop to see, and a second ends the process at once.

    Python handles signals only between two of its instructions, which compiling or waiting for a device can delay for
    minutes. So a thread reads them: the message after the first signal and the end after the second come at once.
    Ending at once is safe, because files get their names only when they are complete.

    Attributes:
        requested: the name of the first signal; None while none came.
        unsaved: whether there is work that a save would keep. While there is none, the first signal ends the process.
    """

    def __init__(self) -> None:
        self.requested: str | None = None
        self.unsaved = False

    def __enter__(self) -> Interruption:
        """Starts to listen; only in the main thread, as Python requires."""
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._reader, self._writer = socket.socketpair()
            self._writer.setblocking(False)
            self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            self._handlers_before = {
                number: signal.signal(number, _left_to_the_thread)
                for number in _SIGNALS
                # A shell's background jobs ignore Ctrl-C, which is meant for the job in the foreground.
                if signal.getsignal(number) is not signal.SIG_IGN
            }
            self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Restores the earlier signal handlers."""
        if self._listens:
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup_before)
            self._writer.close()
            self._thread.join()
            self._reader.close()

    def _listen(self) -> None:
        while received := self._reader.recv(1):
            if received[0] not in _SIGNALS:
                continue
            name = signal.Signals(received[0]).name
            if self.requested is not None or not self.unsaved:
                say(f"{name}: leaving at once; the same command continues from the newest checkpoint")
                os._exit(EXIT_STATUS)
            say(f"{name}: finishing the step and saving; a second signal leaves at once")
            self.requested = name


def _left_to_the_thread(number: int, frame: Any) -> None:
    """A handler that does nothing; Python needs one to wake the thread."""
