"""The command, on the small embedded set."""

import json

import pytest

from tests.commands import SMALL, command, last_line


def benchmark(*args, **env):
    return command("benchmark", *args, **env)


@pytest.mark.slow
def test_input_prints_every_stage(small_data):
    result = benchmark("input", *SMALL, "--seconds=0.5", "--json", TFDS_DATA_DIR=small_data)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found["images_per_second"]) == ["read", "decode", "augment", "batch", "transfer"]
    assert all(rate > 0 for rate in found["images_per_second"].values())
    assert (found["image_size"], found["batch_size"]) == (32, 8)
    shown = benchmark("input", *SMALL, "--seconds=0.2", TFDS_DATA_DIR=small_data).stdout
    assert "images/s" in shown
    assert "of decoding alone" in shown


@pytest.mark.parametrize("args", [(), ("inptu", SMALL[0]), ("input",)])
def test_a_command_that_is_not_whole_is_one_line(args):
    result = benchmark(*args)
    assert result.returncode == 2
    expected = "error: --config is missing" if args == ("input",) else "error: name what to measure"
    assert last_line(result).startswith(expected)
