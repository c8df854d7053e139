"""A command that `server` forks: `python -I -S client.py SOCKET -m MODULE ARGUMENT ...`, in few imports."""

import json
import os
import signal
import socket
import sys

_FORWARDED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main(address: str, *arguments: str) -> None:
    ignored = [number for number in _FORWARDED if signal.getsignal(number) is signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)  # until there is a process to send them to
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(address)
        except OSError:
            start_anew(arguments)
        request = {
            "arguments": arguments,
            "folder": os.getcwd(),
            "environ": dict(os.environ),
            "ignored": ignored,
        }
        try:
            socket.send_fds(server, [b"fds"], [0, 1, 2])
            answers = server.makefile("rw")
            answers.write(json.dumps(request) + "\n")
            answers.flush()
            process = int(answers.readline())
        except (OSError, ValueError):  # the server cannot fork here
            start_anew(arguments)
        for number in _FORWARDED.difference(ignored):
            signal.signal(number, lambda number, _: os.kill(process, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        status = int(answers.readline())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def start_anew(arguments: tuple[str, ...]) -> None:
    """Becomes the command itself."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    os.execv(sys.executable, [sys.executable, *arguments])


main(*sys.argv[1:])
