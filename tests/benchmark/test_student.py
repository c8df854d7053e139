import json
import subprocess

import pytest

from jdnet_jax.benchmark import student
from jdnet_jax.handoff import model_card
from jdnet_jax.process.errors import UserError
from tests import tiny_student


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two exported files, and processes that print made-up figures instead of measuring them."""
    paths = [tmp_path / name for name in ("a.tflite", "b.onnx")]
    for path in paths:
        path.write_bytes(bytes(2_500_000))
        model_card.write(model_card.card_path(path), tiny_student.card(file_format=path.suffix[1:]))

    def run(command, **_):
        path, cpus = command[3], int(command[4])
        found = {
            "card": model_card.card_path(type(paths[0])(path)).read_text(),
            "median": 4.0 / cpus,
            "p90": 6.0 / cpus,
            "peak_memory": 12_340_000 if path.endswith("tflite") else None,
            "peak_flops_per_second": 1e9 * cpus,
        }
        return subprocess.CompletedProcess(command, 0, f"commentary\n{json.dumps(found)}\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    return paths


def test_each_file_is_a_row_and_each_number_of_cpus_a_column(files):
    result = student.measure(files, [1, 2], 1.0)
    first, second = result["models"]
    one, two = first["latency"]["1"], first["latency"]["2"]
    assert (one["median"], one["p90"], two["median"], two["p90"]) == (4.0, 6.0, 2.0, 3.0)
    assert one["flops_per_second"] == 2 * first["multiply_adds"] / 4e-3
    # Twice as fast on CPUs that reach twice as much: the same share.
    assert one["utilization"] == pytest.approx(one["flops_per_second"] / 1e9)
    assert two["utilization"] == pytest.approx(one["utilization"])
    assert (first["bytes"], first["peak_memory"], second["peak_memory"]) == (2_500_000, 12_340_000, None)
    assert (second["format"], second["model"]) == ("onnx", str(files[1]))
    lines = student.table(result).splitlines()
    assert " ".join(lines[0].split()) == "MB peak MB 1 CPU 2 CPUs ms for a photo, median (90 %), share of the peak"
    share = f"{one['utilization']:.0%}"
    assert lines[1].split()[1:] == ["2.50", "12.3", "4.00", "(6.00)", share, "2.00", "(3.00)", share]
    assert lines[2].split()[1:] == ["2.50", "-", "4.00", "(6.00)", share, "2.00", "(3.00)", share]
    assert lines[3].startswith("resnet_tiny at 32 px: 0.")


def test_what_stopped_a_process_is_told(files, monkeypatch):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 2, "", "note\nerror: it is damaged\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UserError, match=r"a.tflite could not be measured: it is damaged"):
        student.measure(files, [1], 1.0)


def test_a_hand_off_is_exported_to_what_can_be_had(tmp_path, monkeypatch):
    asked = []

    def export(request):
        asked.append((request.file_format, request.quantize, request.allow_loss))
        if request.file_format == "onnx":
            raise UserError("it is not installed")

    monkeypatch.setattr(student.exporter, "export", export)
    monkeypatch.setattr(student, "measure_one", lambda path, name, threads, seconds: {"model": name})
    rows = student.measure([tiny_student.save(tmp_path / "student")], [1], 1.0)["models"]
    labels = [row["model"] for row in rows]
    assert labels[1:] == [
        *("tflite", "tflite float16", "tflite dynamic", "tflite int8", "stablehlo", "saved_model", "safetensors")
    ]
    assert ("onnx", "none", True) in asked
