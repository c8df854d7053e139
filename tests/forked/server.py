"""A process with the libraries imported, which forks one for each command of `client`, until its input ends.

python -m tests.forked.server LISTENING_SOCKET
"""

import contextlib
import gc
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from typing import TextIO

from jdnet_jax.process import children
from tests import forked

_CONFIG_OF_JAX = "JAX_"


def import_libraries() -> bool:
    """Imports what commands import, and nothing that defines a command's flags; whether no thread came of it."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy's and SciPy's copies begin theirs at once
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # as `command_line.set_up_libraries`
    from jdnet_jax import train  # noqa: F401
    from jdnet_jax.export import exporter  # noqa: F401
    from jdnet_jax.inference import scoring  # noqa: F401

    warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)  # JAX's, for one that has threads
    gc.collect()
    gc.freeze()
    return len(os.listdir("/proc/self/task")) == 1


def next_command(listener: socket.socket) -> tuple[str, str]:
    """("-m", module) or ("-c", code); returns in a process that is forked for it, and nowhere else."""
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        _reap()
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        listener.close()
        _, outputs, _, _ = socket.recv_fds(connection, 3, 3)
        answers = connection.makefile("rw")
        request = json.loads(answers.readline())
        process = os.fork()
        if not process:
            answers.close()
            connection.close()
            return _become(request, outputs)
        for output in outputs:
            os.close(output)
        _answer(answers, process)
        ended = os.pidfd_open(process)
        if ended not in select.select([connection, ended], [], [])[0]:
            os.kill(process, signal.SIGKILL)  # as the client was
        _, status = os.waitpid(process, 0)
        _answer(answers, os.waitstatus_to_exitcode(status))
        os._exit(0)


def _answer(answers: TextIO, number: int) -> None:
    with contextlib.suppress(OSError):  # the client was killed
        answers.write(f"{number}\n")
        answers.flush()


def _reap() -> None:
    """Waits for what has ended, so that its seconds count as this process's children's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(request: dict, outputs: list[int]) -> tuple[str, str]:
    """Makes this process what the client is."""
    import jax

    for own, other in enumerate(outputs):
        os.dup2(other, own)
        os.close(other)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    for name, value in request["environ"].items():
        if name.startswith(_CONFIG_OF_JAX) and os.environ.get(name) != value:  # read when JAX was imported
            option = name.lower()
            jax.config.update(option, type(jax.config.values[option])(value))
    os.environ.clear()
    os.environ.update(request["environ"])
    os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=0"  # else it starts itself anew (`huge_pages`), as a server
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    os.environ.pop(children.VARIABLE, None)  # a pipe that is not passed on: what is forked ends with its client
    multiprocessing.set_executable(sys.executable)
    sys.executable = os.environ.get(forked.CHILDREN, sys.executable)
    option, what, *arguments = request["arguments"]
    assert option in ("-m", "-c")
    sys.argv = ["-c" if option == "-c" else what, *arguments]
    return option, what


if __name__ == "__main__":
    if not import_libraries():
        sys.exit("the libraries have threads, with which a process is not forked well: commands start from nothing")
    option, what = next_command(socket.socket(fileno=int(sys.argv[1])))
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
