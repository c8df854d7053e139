import json
import shutil
from types import SimpleNamespace

import pytest

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
