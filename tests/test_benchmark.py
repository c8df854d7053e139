"""The command, on the small embedded set."""

import json
import re

import pytest

from jdnet_jax.export import exporter
from tests import tiny_student
from tests.commands import SMALL, command, last_line


def benchmark(*args, **env):
    return command("benchmark", *args, **env)


@pytest.mark.slow
def test_input_prints_every_stage(small_data):
    """For a person to read; the other modes' tests have --json."""
    result = benchmark("input", *SMALL, "--seconds=0.2", TFDS_DATA_DIR=small_data)
    assert result.returncode == 0, result.stderr
    rates = dict(re.findall(r"^  (\w+) +([\d,]+) images/s ", result.stdout, re.MULTILINE))
    assert list(rates) == ["read", "decode", "augment", "batch", "transfer"]
    assert all(rate.replace(",", "").strip("0") for rate in rates.values())
    assert "32 px, batch 8; " in result.stdout
    assert "of decoding alone" in result.stdout


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


@pytest.mark.slow
def test_a_step_is_timed_without_its_data_and_traced(tmp_path):
    args = (*SMALL, "--classes=12", "--seconds=0.1", "--json")  # the classes of the embedded set: compiled once
    result = benchmark("train_step", *args, f"--profile={tmp_path}", TFDS_DATA_DIR=str(tmp_path / "none"))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["networks"] == {"student": "resnet_tiny", "teacher": "resnet_tiny"}
    assert (found["batch_size"], found["image_size"], found["compute_dtype"]) == (8, 32, "float32")
    assert 0 < found["seconds"]["p10"] <= found["seconds"]["median"] <= found["seconds"]["p90"]
    assert found["images_per_second"] == pytest.approx(8 / found["seconds"]["median"])
    assert found["flops_per_second"] == pytest.approx(found["flops"] / found["seconds"]["median"])
    assert found["utilization"] == pytest.approx(found["flops_per_second"] / found["peak_flops_per_second"])
    assert list(tmp_path.rglob("*.xplane.pb"))
    first = found["first_step"]
    parts = [first[part] for part in ("start", "build", "trace", "compile", "run")]
    assert min(parts) > 0
    assert first["total"] == pytest.approx(sum(parts))
    evaluated = benchmark("eval", *args, fresh=True)
    assert evaluated.returncode == 0, evaluated.stderr
    # Training is three forward passes' work by the formula; evaluation has a batch size of its own.
    forward = json.loads(evaluated.stdout)
    assert found["flops"] / 8 == 3 * forward["flops"] / forward["batch_size"]


@pytest.mark.slow
def test_both_forms_of_depthwise_convolution_in_bfloat16():
    mobile = ("--config.student.model=mobilenetv2_035", "--config.student.options={}", "--config.image_size=32")
    small = ("--config.batch_size=1", "--config.compute_dtype=bfloat16", "--seconds=0.1", "--json")
    result = benchmark("depthwise", SMALL[0], *mobile, *small)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["compute_dtype"], found["used"]) == ("bfloat16", "shifted")
    assert sum(row["count"] for row in found["layers"]) == 17
    for form in ("shifted", "grouped"):
        seconds = [row["count"] * row["seconds"][form]["gradients"] for row in found["layers"]]
        assert min(seconds) > 0
        assert found["total"][form]["gradients"] == pytest.approx(sum(seconds))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("train_step",), "--config is missing"),
        (("compile",), "--config is missing"),
        (("compile", SMALL[0], "--device=v5"), "--device: unknown device 'v5'"),
        (("depthwise",), "--config is missing"),
        ((), "name what to measure"),
        (("inptu", SMALL[0]), "name what to measure"),
        (("input",), "--config is missing"),
        (("student",), "--from is missing"),
        (("student", "--from=a", "--threads=0"), "--threads=0 must be numbers from 1 to"),
        (("input", SMALL[0], "--profile=a"), "--profile is for train_step and eval"),
        (("compile", SMALL[0], "--threads=2"), "--threads is for student"),
        (("student", "--from=a", SMALL[0]), "--config is for input and train_step and eval and depthwise and compile"),
        (("train_step", *SMALL, "--profile=/dev/null/a"), "--profile=/dev/null/a cannot be written: Not a directory"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = benchmark(*args)
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: {message}")


def test_each_mode_has_a_help_of_its_own():
    student = benchmark("student", "--help")
    assert student.returncode == 0, student.stderr
    assert "every format that it is exported to" in student.stdout
    assert "--threads:" in student.stdout
    assert "numbers of CPUs to use" in student.stdout
    assert "--config" not in student.stdout
    compiled = benchmark("compile", "--help").stdout
    assert "--device:" in compiled
    assert "--threads" not in compiled
    everything = benchmark("--help").stdout
    assert "--device:" in everything
    assert "--threads:" in everything
