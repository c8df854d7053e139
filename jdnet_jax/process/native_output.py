"""Capture of output that native libraries print past Python's streams."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from jdnet_jax.process.printable import lines


@contextlib.contextmanager
def captured() -> Iterator[None]:
    """Keeps what native code writes to standard output and error from the screen.

    The converters and interpreters of TensorFlow write messages directly to the file descriptors, where no setting
    applies. The output is shown if the code inside raises an exception.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        kept = [os.dup(stream) for stream in (1, 2)]
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        try:
            yield
        except BaseException:
            _restore(kept)
            log.seek(0)
            sys.stderr.write(lines(log.read().decode("utf-8", "replace")))
            raise
        else:
            _restore(kept)


def _restore(kept: list[int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for stream, copy in zip((1, 2), kept, strict=True):
        os.dup2(copy, stream)
        os.close(copy)
