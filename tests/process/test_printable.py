import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.process import progress
from jdnet_jax.process.printable import lines, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Käse 寿司 🍣 नमस्ते", "Käse 寿司 🍣 नमस्ते"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b2J\x7f\0", r"\x9b2J\x7f\x00"),
        ("pasta\u202egpj.exe", r"pasta\u202egpj.exe"),
        ("a\u2028b", r"a\u2028b"),
        (os.fsdecode(b"caf\xe9"), "caf\ufffd"),
        (Path("a\nb"), r"a\nb"),
    ],
)
def test_nothing_is_left_that_a_terminal_acts_upon(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_it_is_one_line_of_the_same_letters_and_twice_is_once(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert printable(text) == text or any(ord(c) < 32 or ord(c) > 126 for c in text)
    shown.encode()  # no surrogate is left


def test_lines_stay_lines():
    assert lines("a\nb\x07\n") == "a\nb\\x07\n"


def test_whatever_is_said_goes_through_it(capsys):
    progress.say("a\x1b[2Jb")
    progress.show("a\x1b[2Jb\nc")
    out, err = capsys.readouterr()
    assert (out, err) == ("a\\x1b[2Jb\nc\n", "a\\x1b[2Jb\n")
    stream = io.StringIO()
    progress.Progress(1, 1, stream).say("a\x1bb")
    assert stream.getvalue() == "a\\x1bb\n"
