"""Log messages on the screen."""

from __future__ import annotations

import logging

from jdnet_jax.process.progress import say

# Orbax warns of a checkpoint between two evaluations, which on purpose has no accuracy on val.
_ON_PURPOSE = ("Requested `tracked_metric`",)


def show_warnings() -> None:
    """Adds a `WarningsOnScreen` to the root logger."""
    logging.getLogger().addHandler(WarningsOnScreen())


class WarningsOnScreen(logging.Handler):
    """Prints the first line of warnings to standard error.

    Exceptions are left out: libraries log them with tracebacks, sometimes several times, and the command reports the
    cause in one line at its end. So are warnings of what is done on purpose. The log has all of it.
    """

    def __init__(self) -> None:
        """Sets the level: warnings and errors."""
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record, unless it tells of an exception or of what is done on purpose."""
        message = record.getMessage()
        if record.exc_info or message.startswith(_ON_PURPOSE):
            return
        lines = message.splitlines()
        say(f"{record.levelname.lower()}: {lines[0] if lines else ''}")
