"""The command, on a hand-off that was never trained."""

import pytest

from tests import tiny_student
from tests.commands import command, last_line


def export(*args, **how):
    return command("export", *args, **how)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "--from is missing"),
        (("runs/demo",), "unexpected argument 'runs/demo'"),
        (("--from=runs/demo",), "--output is missing"),
        (("--from=a", "--output=b.tflite", "--format=tflight"), "--format=tflight is unknown"),
        (("--from=a", "--output=b", "--app=web", "--quantize=int8"), "--app=web sets --quantize: leave it out"),
        (("--from=a", "--output=b", "--app=android", "--format=onnx"), "--app=android sets --format: leave it out"),
        (("--from=a", "--output=b.onnx", "--format=stablehlo", "--quantize=int8"), "--format=stablehlo has no"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = export(*args)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_it_writes_a_file_with_its_card_and_says_how_it_compares(tmp_path):
    student = tiny_student.save(tmp_path / "student")
    output = tmp_path / "student.safetensors"
    result = export(f"--from={student}", "--format=safetensors", f"--output={output}", fresh=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{output}: {output.stat().st_size:,} bytes\n")
    assert "the same class as the student on 100 % of " in result.stdout
    assert (tmp_path / "student.safetensors.model.json").is_file()
    refused = export(f"--from={tmp_path}/nowhere", "--format=safetensors", f"--output={output}")
    assert refused.returncode == 2
    assert last_line(refused).startswith(f"error: there is no model at {tmp_path}/nowhere: name a workdir")
