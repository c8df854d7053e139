import os
import sys

import pytest

from jdnet_jax.process.native_output import captured


def test_what_is_written_to_the_descriptors_is_kept_from_the_screen(capfd):
    print("before")
    with captured():
        os.write(1, b"commentary\n")
        os.write(2, b"more\n")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_it_is_shown_where_the_code_fails(capfd):
    def fail():
        with captured():
            os.write(1, b"the reason\n")
            raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        fail()
    print("after", file=sys.stderr)
    assert capfd.readouterr() == ("", "the reason\nafter\n")
