"""Processes of their own, without JAX, that watch each other over loopback."""

import contextlib
import signal
import socket
import subprocess
import sys

import pytest

from jdnet_jax.process import heartbeats
from tests.commands import ROOT
from tests.process.ports import free_port

MEMBER = """
import os, sys, time
from jdnet_jax.process import heartbeats, meeting
process, processes, port = map(int, sys.argv[1:4])
heartbeats.PERIOD, heartbeats.TIMEOUT = map(float, sys.argv[4:])
connections = meeting.meet(meeting.member(f"127.0.0.1:{{port}}", processes, process), 60)
watch = heartbeats.Heartbeats(process, processes, connections)
watch.position = {position}
print("ready", flush=True)
match sys.stdin.readline():
    case "leave\\n":
        watch.leave()
    case "fail\\n":
        watch.fail("there are no photos")
        os._exit(2)
    case _:
        time.sleep(600)
"""


@contextlib.contextmanager
def members(number, period=1.0, timeout=30.0, position="lambda: (1234, 1200)"):
    """So many processes that are connected, in their order; each waits for a line on its standard input."""
    with contextlib.ExitStack() as stack:
        port = free_port()

        def start(process):
            code = MEMBER.format(position=position)
            member = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", code, *map(str, (process, number, port, period, timeout))],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(member.kill)
            return member

        found = [start(process) for process in range(number)]
        for member in found:
            assert member.stdout.readline() == "ready\n"
        yield found


def tell(member, text):
    member.stdin.write(f"{text}\n")
    member.stdin.flush()


def end(member):
    """Its exit status and what it said to standard error."""
    _, errors = member.communicate(timeout=60)
    return member.returncode, errors


@pytest.mark.parametrize("dead", [0, 2])
def test_where_one_dies_the_others_say_which_and_where_the_run_is(dead):
    with members(3) as found:
        found[dead].kill()
        line = (
            f"process {dead} of 3 stopped answering at step 1234; this process stops too: start all again with the "
            "same command to continue from step 1200\n"
        )
        assert [end(member) for i, member in enumerate(found) if i != dead] == [(75, line)] * 2


def test_one_that_is_silent_for_too_long_counts_as_dead():
    with members(2, 0.1, 1.0, "None") as found:
        found[1].send_signal(signal.SIGSTOP)
        assert end(found[0]) == (
            75,
            "process 1 of 2 stopped answering before the first step; this process stops too: start all again with the "
            "same command\n",
        )


def test_there_may_be_no_checkpoint_yet():
    with members(2, position="lambda: (3, None)") as found:
        found[0].kill()
        assert end(found[1])[1].endswith("at step 3; this process stops too: start all again with the same command\n")


@pytest.mark.parametrize("failing", [0, 2])
def test_where_one_fails_the_others_tell_its_reason(failing):
    with members(3) as found:
        tell(found[failing], "fail")
        line = f"process {failing} of 3 failed, this process stops too: there are no photos\n"
        assert [end(member) for i, member in enumerate(found) if i != failing] == [(2, line)] * 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_who_leaves_well_is_not_missed(order):
    with members(3) as found:
        for i in order:
            tell(found[i], "leave")
            assert end(found[i]) == (0, "")


def test_the_last_message_does_not_wait_for_the_acknowledgement_of_a_heartbeat():
    """Where it waits, and the process ends with unread heartbeats, the system drops it."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as peer:
        connection, _ = server.accept()
        with connection:
            watch = heartbeats.Heartbeats(0, 2, {1: connection})
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            watch.leave()
            peer.sendall(b"\n")  # wakes the watch, which ends
            watch._thread.join(60)
