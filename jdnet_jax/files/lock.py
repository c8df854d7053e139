"""A lock between processes of one user: a file in a folder where others may write too."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from jdnet_jax.process.errors import UserError


@contextlib.contextmanager
def held(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Waits for the lock and holds it until the context or the process ends, however that comes.

    The file stays, empty. Nothing is ever written to it, links are not followed, and files of other users are refused:
    the folder may be one such as `/tmp`, where anybody can put a file of that name.

    Args:
        path: path of the file, which is made where it is not there.
        on_wait: called once where another process holds it.

    Raises:
        UserError: something else has the name.
    """
    lock = _open(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    message = f"{path} is not a lock file of this user: remove it, or set TMPDIR to a folder of your own"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        # A link; another user's file, which the system also keeps from being opened in such a folder; a folder.
        if error.errno in (errno.ELOOP, errno.EACCES, errno.EISDIR, errno.ENXIO):
            raise UserError(message) from error
        raise
    status = os.fstat(lock)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        os.close(lock)
        raise UserError(message)
    return lock
