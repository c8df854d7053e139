"""Heartbeats between the processes of a run: if one of them dies, all end.

Process 0 holds a connection to each other process, which `meeting` made. A process that dies is noticed at once,
because its system closes the connection; a lost machine or network is noticed after `TIMEOUT` seconds without a
heartbeat. Without this the others would wait in the middle of a step until JAX's watch, which is left as the last
resort, aborts them.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from jdnet_jax.process.interruption import EXIT_STATUS
from jdnet_jax.process.progress import say

PERIOD = 1.0  # seconds between two signs of life
TIMEOUT = 30.0  # seconds without one after which a process counts as dead
FAILURE_STATUS = 2  # of the others, where one process ends by a mistake

# The step that the run is at, and that of its newest checkpoint; None where there is none.
Position = tuple[int, int | None]


class Heartbeats:
    """The signs of life of one process, and its watch over the others.

    Attributes:
        position: tells where the run is, for the line that is printed when it ends; None before its first step.
    """

    def __init__(self, process: int, processes: int, connections: Mapping[int, socket.socket]):
        """Starts the watch, in a thread.

        Args:
            process: the number of this process.
            processes: number of processes.
            connections: number of the other process -> connection: process 0's to each, the others' to process 0.
        """
        self.position: Callable[[], Position] | None = None
        self._process, self._processes = process, processes
        self._peers = dict(connections)
        for connection in connections.values():
            # At once: what still waits for the acknowledgement of a heartbeat is dropped when its process ends.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = dict.fromkeys(self._peers, b"")
        self._lock = threading.Lock()  # over what is sent, and over the end
        self._left = False
        self._thread = threading.Thread(target=self._watch, name="heartbeats", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Tells the others that this process ends normally, and stops watching."""
        self._say_last({"left": self._process})

    def fail(self, reason: str) -> None:
        """Tells the others that this process ends for this reason, so that they end too."""
        self._say_last({"failed": self._process, "reason": reason})

    def _say_last(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            self._send(message)
            self._left = True

    def _send(self, message: Mapping[str, Any] | None = None) -> None:
        """Sends a message to every connected process; None is a heartbeat."""
        line = (json.dumps(message) if message else "").encode() + b"\n"
        for connection in self._peers.values():
            with contextlib.suppress(OSError):  # reading notices who cannot be reached
                connection.sendall(line)

    def _watch(self) -> None:
        silent = dict.fromkeys(self._peers, 0)  # periods
        with selectors.DefaultSelector() as selector:
            for peer, connection in self._peers.items():
                selector.register(connection, selectors.EVENT_READ, peer)
            beat = time.monotonic()
            while not self._left and selector.get_map():
                for key, _ in selector.select(max(0.0, beat - time.monotonic())):
                    silent[key.data] = 0
                    if self._has_left(key.data):
                        selector.unregister(key.fileobj)
                        del silent[key.data]
                if time.monotonic() < beat:
                    continue
                # Periods are counted, not seconds, because a process that was stopped could not receive anything.
                beat = time.monotonic() + PERIOD
                with self._lock:
                    if not self._left:
                        self._send()
                for peer in silent:
                    silent[peer] += 1
                    if silent[peer] * PERIOD > TIMEOUT:
                        self._lose(peer)

    def _has_left(self, peer: int) -> bool:
        """Reads the messages of a process, and ends this one if necessary."""
        try:
            data = self._peers[peer].recv(65536)
        except OSError:
            data = b""
        if not data:
            self._lose(peer)
            return True
        *lines, self._received[peer] = (self._received[peer] + data).split(b"\n")
        for message in (json.loads(line) for line in lines if line):
            if "left" in message:
                return True
            self._end(message)
        return False

    def _lose(self, peer: int) -> None:
        self._end({"lost": peer})

    def _end(self, message: Mapping[str, Any]) -> None:
        """Ends this process at once because another is lost or has failed, after telling the others and the user."""
        with self._lock:
            if self._left:
                return
            self._left = True
            if self._process == 0:
                self._send(message)
            if "lost" in message:
                at, back = self._where()
                say(
                    f"process {message['lost']} of {self._processes} stopped answering {at}; this process stops too: "
                    f"start all again with the same command{back}"
                )
                os._exit(EXIT_STATUS)
            say(f"process {message['failed']} of {self._processes} failed, this process stops too: {message['reason']}")
            os._exit(FAILURE_STATUS)

    def _where(self) -> tuple[str, str]:
        if self.position is None:
            return "before the first step", ""
        step, newest = self.position()
        return f"at step {step}", "" if newest is None else f" to continue from step {newest}"
