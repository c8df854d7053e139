"""The command, on the small embedded set."""

import json

import pytest

from jdnet_jax.export import exporter
from tests import tiny_student
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


@pytest.mark.slow
def test_student_prints_a_row_for_each_model_with_every_figure(tmp_path):
    student = tiny_student.save(tmp_path / "student")
    file = tmp_path / "copy.safetensors"
    exporter.export(exporter.Request(student, "safetensors", "none", file))
    result = benchmark("student", f"--from={file}", "--seconds=0.1", "--json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["models"]
    assert (row["model"], row["network"], row["format"]) == (str(file), "resnet_tiny", "safetensors")
    assert row["bytes"] == file.stat().st_size
    assert 0 < row["latency"]["1"]["median"] <= row["latency"]["1"]["p90"]
    assert row["peak_memory"] is None or row["peak_memory"] > 0
    assert row["multiply_adds"] > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name what to measure"),
        (("inptu", SMALL[0]), "name what to measure"),
        (("input",), "--config is missing"),
        (("student",), "--from is missing"),
        (("student", "--from=a", "--threads=0"), "--threads=0 must be numbers from 1 to"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = benchmark(*args)
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: {message}")
