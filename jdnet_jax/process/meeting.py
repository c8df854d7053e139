"""The meeting of a run's processes before JAX starts: all must be present, with distinct numbers.

They meet at the port of process 0 that JAX's service takes afterwards, so no other has to be open. JAX would wait
for minutes in silence if one is missing, and ends a process by a signal if two disagree. The connections stay open
for `heartbeats`. This module does not import JAX.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import selectors
import socket
import time
from dataclasses import dataclass, field

from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import SIGN_OF_LIFE, duration, say

_GREETING = re.compile(rb"jdnet_jax process (\d{1,6}) of (\d{1,6}) ([0-9a-f]{16})\n")
_WELCOME, _REFUSAL = b"welcome\n", b"no: "
_PATIENCE = 5.0  # seconds in which one who connects must say who it is
_LATE = 15.0  # seconds in which late processes still get the reason why there will be no run
_RETRY = 0.5  # seconds between two attempts to reach process 0
_TOGETHER = "start all with the same --coordinator and --processes, and each with a --process of its own"


@dataclass(frozen=True)
class Member:
    """One process of a run, as described by its command line or cluster.

    Attributes:
        host: host of process 0.
        port: port of process 0.
        count: number of processes.
        number: number of this process, from 0.
        start: random digits, which tell two processes with the same description apart.
    """

    host: str
    port: int
    count: int
    number: int
    start: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def greeting(self) -> bytes:
        """The message with which it introduces itself."""
        return f"jdnet_jax process {self.number} of {self.count} {self.start}\n".encode()


def member(coordinator: str, count: int, number: int) -> Member:
    """Checks the description of a process on its own.

    Raises:
        UserError: the address is invalid, the host is unknown, or there is no such number.
    """
    match = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]]+):([0-9]{1,5})", coordinator)
    port = int(match[2]) if match else 0
    if match is None or not 1 <= port <= 65535:
        raise UserError(
            f"--coordinator={coordinator} must be HOST:PORT of process 0, the port a number from 1 to 65535, such as "
            "10.0.0.1:1234 or [fd00::1]:1234"
        )
    host = match[1].strip("[]")
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"--coordinator={coordinator}: host {host} is not known here ({reason}): correct it") from error
    if not 0 <= number < count:
        raise UserError(f"--process={number} must be below --processes={count}: the numbers begin at 0")
    return Member(host, port, count, number)


def meet(this: Member, timeout: float) -> dict[int, socket.socket]:
    """Waits until all processes are present; reports every half minute which are missing.

    Args:
        this: this process.
        timeout: the most seconds to wait.

    Returns:
        number of the other process -> open connection: process 0's to each, the others' to process 0.

    Raises:
        UserError: they disagree, another program has the port, or they did not all come in time.
    """
    return _gather(this, timeout) if this.number == 0 else {0: _attend(this, timeout)}


def _gather(this: Member, timeout: float) -> dict[int, socket.socket]:
    """Receives the other processes, as process 0."""
    waiting = _Waiting(timeout)
    present: dict[int, tuple[socket.socket, str]] = {}
    with _listening(this) as server, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        try:
            while missing := [str(number) for number in range(1, this.count) if number not in present]:
                whom = f"process{'es' if len(missing) > 1 else ''} {', '.join(missing)} of {this.count}"
                waiting.check(f"{whom} at port {this.port}")
                for key, _ in selector.select(_RETRY):
                    if key.fileobj is server:
                        number = _receive(this, server, present)
                        if number is not None:
                            selector.register(present[number][0], selectors.EVENT_READ, number)
                    else:  # only one that ends has anything to say now
                        selector.unregister(key.fileobj)
                        present.pop(key.data)[0].close()
                        say(f"process {key.data} of {this.count} ended before all had joined; waiting for it again")
        except UserError as error:
            _refuse(this, server, [connection for connection, _ in present.values()], str(error))
            raise
    connections = {number: connection for number, (connection, _) in present.items()}
    for connection in connections.values():
        with contextlib.suppress(OSError):  # who has gone now is missed by the signs of life
            connection.sendall(_WELCOME)
    return connections


def _receive(this: Member, server: socket.socket, present: dict[int, tuple[socket.socket, str]]) -> int | None:
    """Adds a new process to those present, and returns its number; None for one of another run, which is refused.

    Raises:
        UserError: it does not agree with process 0.
    """
    connection, (address, *_) = server.accept()
    match = _GREETING.fullmatch(_line(connection))
    if match is None or match[3].decode() == this.start:
        connection.close()
        return None
    number, count = int(match[1]), int(match[2])
    reason = None
    address = address.removeprefix("::ffff:")  # an IPv4 address, as a server of IPv4 and IPv6 shows it
    if count != this.count:
        reason = f"process {number} at {address} has --processes={count}, and process 0 has --processes={this.count}"
    elif number in present or number == 0:
        where = f"at {present[number][1]} and at {address}" if number else f"here and at {address}"
        reason = f"two processes have --process={number}, {where}"
    if reason is not None:
        reason = f"{reason}: {_TOGETHER}"
        with contextlib.suppress(OSError), connection:
            connection.sendall(_REFUSAL + f"{reason}\n".encode())
        raise UserError(reason)
    connection.settimeout(None)
    present[number] = connection, address
    return number


def _refuse(this: Member, server: socket.socket, connections: list[socket.socket], reason: str) -> None:
    """Sends the reason to the processes present, and for a while to those that still arrive."""
    end = time.monotonic() + _LATE
    told = 0
    while True:
        for connection in connections:
            with contextlib.suppress(OSError), connection:
                connection.sendall(_REFUSAL + f"{reason}\n".encode())
            told += 1
        left = end - time.monotonic()
        if told >= this.count - 2 or left <= 0:  # all but this one and that which disagrees
            return
        server.settimeout(left)
        with contextlib.suppress(OSError):
            connections = [server.accept()[0]]


def _listening(this: Member) -> socket.socket:
    """A server on the port, of every address of this machine, as JAX's will be."""
    everywhere = {"family": socket.AF_INET6, "dualstack_ipv6": True} if socket.has_dualstack_ipv6() else {}
    try:
        _check_alone(this)
        return socket.create_server(("", this.port), **everywhere)  # type: ignore[arg-type]
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        advice = "choose another port, for all processes" if taken else "choose a port from 1024 on, for all processes"
        reason = os.strerror(error.errno or 0)  # the error's text repeats what was tried
        raise UserError(f"port {this.port} cannot be used on this machine ({reason}): {advice}") from error


def _check_alone(this: Member) -> None:
    """Checks that no other process 0 listens at the address already, on this machine or the one it names."""
    with contextlib.suppress(OSError), socket.create_connection((this.host, this.port), _PATIENCE) as connection:
        connection.sendall(this.greeting)
        answer = _line(connection)
        _raise_refusal(answer)


def _attend(this: Member, timeout: float) -> socket.socket:
    """Connects to process 0, as another process, with as many attempts as necessary."""
    waiting = _Waiting(timeout)
    while True:
        waiting.check(f"process 0 of {this.count} at {this.host}:{this.port}")
        try:
            connection = socket.create_connection((this.host, this.port), _PATIENCE)
        except OSError:
            time.sleep(_RETRY)
            continue
        with contextlib.suppress(OSError):
            connection.sendall(this.greeting)
            answer = _answer(this, connection, waiting)
            if answer == _WELCOME:
                connection.settimeout(None)
                return connection
            _raise_refusal(answer)
            if answer:
                raise UserError(
                    f"at {this.host}:{this.port} is not process 0 of a new run but another program, or a run that has "
                    "already started: stop that one, or choose another port for all processes"
                )
        connection.close()  # process 0 ended before all were there, and may come again
        time.sleep(_RETRY)


def _raise_refusal(answer: bytes) -> None:
    if answer.startswith(_REFUSAL):
        raise UserError(answer.removeprefix(_REFUSAL).decode("utf-8", "replace").strip())


def _answer(this: Member, connection: socket.socket, waiting: _Waiting) -> bytes:
    """The answer of process 0 once all are present, or the reason against it; '' if it ended."""
    connection.settimeout(_RETRY)
    while True:
        try:
            first = connection.recv(1)
        except TimeoutError:
            waiting.check(f"the other processes of {this.count}, with process 0 at {this.host}:{this.port}")
            continue
        return first + _line(connection) if first else b""


def _line(connection: socket.socket) -> bytes:
    """One received line, at most 1,000 bytes; cut off after a few seconds."""
    said, end = b"", time.monotonic() + _PATIENCE
    with contextlib.suppress(OSError):
        # Byte by byte, because what follows the line is for the signs of life.
        while not said.endswith(b"\n") and len(said) < 1000 and (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            byte = connection.recv(1)
            if not byte:
                break
            said += byte
    return said


class _Waiting:
    """A wait that reports every half minute for whom, and for how much longer."""

    def __init__(self, timeout: float):
        self._began = time.monotonic()
        self._timeout = timeout
        self._told = self._began + 10 - SIGN_OF_LIFE  # the first line comes soon

    def check(self, whom: str) -> None:
        """Raises a UserError where the time is over."""
        now = time.monotonic()
        if now - self._began > self._timeout:
            raise UserError(f"{whom} did not join within {duration(self._timeout)}: {_TOGETHER}")
        if now - self._told >= SIGN_OF_LIFE:
            self._told = now
            say(f"waiting for {whom}, for {duration(self._timeout - (now - self._began))} at most")
