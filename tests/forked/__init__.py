"""Commands in processes that are forked from one that has imported the libraries, which spares each start five seconds.

`server` forks them; `client` stands for one where it is started: a process with its arguments, environment, folder,
input and outputs, to which signals are sent and which ends as it ends. Such a process has its own flags, JAX and
TensorFlow, which begin to work at their first use. What it does not show is that a command imports what it needs in the
right order: a start from nothing does (`commands.command(..., fresh=True)`).
"""

import atexit
import functools
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENT = Path(__file__).with_name("client.py")
CHILDREN = "JDNET_TESTS_PYTHON"  # names the `python` that a command starts commands with, see `script`


def python() -> list[str]:
    """The first arguments of a command that is forked: `[*python(), "-m", MODULE, ...]`, or with "-c" and code."""
    if not hasattr(os, "pidfd_open"):  # not on Linux
        return [sys.executable]
    return [sys.executable, "-I", "-S", str(CLIENT), _address()]


def script(path: Path) -> Path:
    """Writes a `python` that forks such commands, for shells, and as CHILDREN for the commands of a command."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fork = f'case "$1" in -m|-c) exec {shlex.join(python())} "$@";; esac'
    path.write_text(f'#!/bin/sh\n{fork}\nexec {shlex.quote(sys.executable)} "$@"\n')
    path.chmod(0o755)
    return path


@functools.cache
def _address() -> str:
    """The socket of the server, which is started here and ends with this process."""
    folder = tempfile.mkdtemp(prefix="jdnet-jax-forks-")
    address = os.path.join(folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked.server", str(listener.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )

    def end() -> None:
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return address
