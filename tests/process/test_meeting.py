"""Processes of their own, without JAX, that meet over loopback."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from jdnet_jax.process import meeting
from jdnet_jax.process.errors import UserError
from tests.commands import ROOT
from tests.process.ports import free_port

MEMBER = """
import sys
from jdnet_jax.process import meeting
from jdnet_jax.process.errors import UserError
meeting._LATE = 3.0
port, count, number, timeout = map(int, sys.argv[1:])
try:
    connections = meeting.meet(meeting.member(f"localhost:{port}", count, number), timeout)
except UserError as error:
    sys.exit(f"error: {error}")
for connection in connections.values():
    connection.sendall(b"%d" % number)
print(sorted((other, connection.recv(1).decode()) for other, connection in connections.items()), flush=True)
"""


@contextlib.contextmanager
def started(port, *members, timeout=60):
    """A process for each (count, number)."""
    with contextlib.ExitStack() as stack:
        found = []
        for count, number in members:
            member = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", MEMBER, *map(str, (port, count, number, timeout))],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(member.kill)
            found.append(member)
        yield found


def ends(members):
    """Status and what it said of each: standard output, and the last line of standard error."""
    found = [member.communicate(timeout=60) for member in members]
    return [
        (member.returncode, output.strip(), errors.strip().splitlines()[-1] if errors else "")
        for member, (output, errors) in zip(members, found, strict=True)
    ]


def test_all_find_each_other_in_whatever_order_they_come_and_each_has_its_number():
    with started(free_port(), (3, 2), (3, 0), (3, 1)) as members:
        assert ends(members) == [
            (0, "[(0, '0')]", ""),
            (0, "[(1, '1'), (2, '2')]", ""),
            (0, "[(0, '0')]", ""),
        ]


TOGETHER = "start all with the same --coordinator and --processes, and each with a --process of its own"


@pytest.mark.parametrize("number", [0, 1])
def test_two_that_have_one_number_are_named_to_all(number):
    port = free_port()
    with started(port, (4, 0), (4, 2)) as first:
        time.sleep(1)
        with started(port, (4, number), *([(4, 1)] if number else [])) as others:
            found = ends([*first, *others])
    assert {status for status, _, _ in found} == {1}
    assert all(line.startswith(f"error: two processes have --process={number}, ") for _, _, line in found), found
    assert all(line.endswith(TOGETHER) for _, _, line in found)


def test_who_has_another_number_of_processes_is_named_to_all_even_those_who_come_later():
    port = free_port()
    with started(port, (3, 0), (2, 1)) as members:
        time.sleep(1)
        with started(port, (3, 1)) as late:
            found = ends([*members, *late])
    line = f"process 1 at 127.0.0.1 has --processes=2, and process 0 has --processes=3: {TOGETHER}"
    assert found == [(1, "", f"error: {line}")] * 3


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (0, "process 1 of 2 at port {} did not join within 0:02: start all with the same"),
        (1, "process 0 of 2 at localhost:{} did not join within 0:02: start all with the same"),
    ],
)
def test_one_alone_says_who_is_missing(number, line):
    port = free_port()
    with started(port, (2, number), timeout=2) as members:
        ((status, _, error),) = ends(members)
    assert status == 1
    assert error.startswith(f"error: {line.format(port)}")


def test_one_that_ends_before_all_are_there_is_told_and_may_come_again():
    port = free_port()
    with started(port, (3, 0), (3, 1)) as (first, second):
        time.sleep(2)
        second.kill()
        assert first.stderr.readline() == "process 1 of 3 ended before all had joined; waiting for it again\n"
        with started(port, (3, 1), (3, 2)) as others:
            assert [status for status, _, _ in ends([first, *others])] == [0, 0, 0]


def test_a_port_of_another_program(monkeypatch):
    monkeypatch.setattr(meeting, "_PATIENCE", 0.2)
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"^port {port} cannot be used on this machine \(Address already in use\)"):
            meeting.meet(meeting.member(f"127.0.0.1:{port}", 2, 0), 10)
        server.accept()[0].close()  # it asked whether another process 0 is there
        with started(port, (2, 1)) as members:
            connection, _ = server.accept()
            while b"\n" not in connection.recv(1000):
                pass
            connection.sendall(b"SSH-2.0-of_another_kind\r\n")
            ((status, _, error),) = ends(members)
            connection.close()
    assert status == 1
    assert f"at localhost:{port} is not process 0 of a new run but another program" in error


def test_strangers_are_turned_away():
    port = free_port()
    with started(port, (2, 0)) as (first,):
        for text in (b"GET / HTTP/1.1\r\n\r\n", b"jdnet_jax process x of 2 0123456789abcdef\n", b"\n"):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    stranger = socket.create_connection(("127.0.0.1", port), 10)
                    break
            stranger.sendall(text)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(1) == b""
            stranger.close()
        with started(port, (2, 1)) as (second,):
            assert [status for status, _, _ in ends([first, second])] == [0, 0]


@pytest.mark.parametrize(
    ("coordinator", "count", "number", "message"),
    [
        (
            "localhost",
            2,
            0,
            "--coordinator=localhost must be HOST:PORT of process 0, the port a number from 1 to 65535",
        ),
        ("localhost:abc", 2, 0, "--coordinator=localhost:abc must be HOST:PORT"),
        ("localhost:0", 2, 0, "--coordinator=localhost:0 must be HOST:PORT"),
        ("localhost:99999", 2, 1, "--coordinator=localhost:99999 must be HOST:PORT"),
        ("localhost:", 2, 1, "--coordinator=localhost: must be HOST:PORT"),
        (":1234", 2, 1, "--coordinator=:1234 must be HOST:PORT"),
        ("", 2, 1, "--coordinator= must be HOST:PORT"),
        ("http://localhost:1234", 2, 1, "--coordinator=http://localhost:1234 must be HOST:PORT"),
        ("::1:1234", 2, 1, "--coordinator=::1:1234 must be HOST:PORT of process 0, the port a number from 1 to 65535"),
        ("nowhere.invalid:1234", 2, 1, "--coordinator=nowhere.invalid:1234: host nowhere.invalid is not known here ("),
        ("a..b:1234", 2, 1, "--coordinator=a..b:1234: host a..b is not known here ("),
        ("localhost:1234", 2, 2, "--process=2 must be below --processes=2: the numbers begin at 0"),
    ],
)
def test_what_can_be_no_process_is_refused_before_anything_is_tried(coordinator, count, number, message):
    with pytest.raises(UserError) as error:
        meeting.member(coordinator, count, number)
    assert str(error.value).startswith(message)


def test_an_address_of_ipv6_is_taken():
    assert meeting.member("[::1]:1234", 2, 1).host == "::1"
