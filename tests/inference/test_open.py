import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from jdnet_jax.export.exporter import Request, export
from jdnet_jax.files import checksums
from jdnet_jax.handoff import model_card
from jdnet_jax.inference import open as opening
from jdnet_jax.inference.flax_runner import FlaxRunner
from jdnet_jax.process.errors import UserError
from tests import tiny_student


def test_a_hand_off_and_a_workdir_that_holds_one(student):
    for path in (student, student.parent, str(student)):
        runner = opening.open_model(path)
        assert isinstance(runner, FlaxRunner)
        assert runner.card == tiny_student.card()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("student.tflite", "tflite_runner"),
        ("student.stablehlo", "stablehlo_runner"),
        ("student.onnx", "onnx_runner"),
        ("student.safetensors", "safetensors_runner"),
        ("saved", "saved_model_runner"),
    ],
)
def test_each_exported_file_goes_to_the_runner_of_its_format(tmp_path, monkeypatch, name, module):
    path = tmp_path / name
    if name == "saved":
        path.mkdir()
        (path / "saved_model.pb").touch()
    else:
        path.touch()
    model_card.write(model_card.card_path(path), tiny_student.card())

    def imported(imported_name):
        # What `load` was called with, as a runner.
        return SimpleNamespace(
            load=lambda *given: SimpleNamespace(opened=(imported_name, *given), card=None, run=print)
        )

    monkeypatch.setattr(opening.importlib, "import_module", imported)
    assert opening.open_model(path).opened == (f"jdnet_jax.inference.{module}", path, tiny_student.card())


def test_an_exported_file_without_its_card(tmp_path):
    (tmp_path / "student.onnx").touch()
    with pytest.raises(UserError, match=r"student.onnx has no student.onnx.model.json beside it"):
        opening.open_model(tmp_path / "student.onnx")


def test_what_is_no_model_of_ours(tmp_path):
    with pytest.raises(UserError, match=r"there is no model at .*nowhere: name a workdir, a hand-off"):
        opening.open_model(tmp_path / "nowhere")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match=r"photo.jpg is not a model of this project: name a workdir, a hand-off"):
        opening.open_model(tmp_path / "photo.jpg")
    with pytest.raises(UserError, match="is not a model of this project"):
        opening.open_model(tmp_path)
    (tmp_path / "odd.tflite").mkdir()
    with pytest.raises(UserError, match="is not a model of this project"):
        opening.open_model(tmp_path / "odd.tflite")


@pytest.mark.parametrize("name", ["student.tflite", "student.onnx", "student.stablehlo", "saved/saved_model.pb"])
def test_a_file_that_was_exported_is_no_student_to_export_from(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    path = file.parent if file.suffix == ".pb" else file
    assert not opening.has_weights(path)
    with pytest.raises(UserError, match=r"was exported without the weights: name the workdir, hand-off or hf-hub:OWN"):
        opening.open_student(path)


def test_what_export_starts_from(student, tmp_path):
    pushed = tmp_path / "pushed"
    pushed.mkdir()
    export(Request(student, "safetensors", "none", tmp_path / "student.safetensors"))
    shutil.copy(tmp_path / "student.safetensors", pushed / "model.safetensors")
    shutil.copy(tmp_path / "student.safetensors.model.json", pushed / "model.json")
    checksums.write(pushed, ["model.safetensors", "model.json"])
    photo = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    expected = opening.open_model(student).run(photo).probabilities
    for path in (student, student.parent, tmp_path / "student.safetensors", pushed):
        assert opening.has_weights(path)
        for opened in (opening.open_model(path), opening.open_student(path)):
            assert isinstance(opened, FlaxRunner)
            np.testing.assert_array_equal(opened.run(photo).probabilities, expected)
    # From any of these to a file, whose answers are compared with the student's.
    report = export(Request(pushed, "stablehlo", "none", tmp_path / "student.stablehlo"))
    assert report.comparison.agreement == 1


def test_a_run_that_has_not_finished(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="has not finished, so it has no student yet"):
        opening.open_model(tmp_path)


def test_a_newer_format_is_refused(student, tmp_path):
    folder = shutil.copytree(student, tmp_path / "student")
    fields = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**fields, "format_version": 3}))
    with pytest.raises(UserError, match=r"model.json has format version 3, newer than 2: update jdnet_jax"):
        opening.open_model(folder)
