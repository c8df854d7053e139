"""The whole way from a hand-off to a file, in one process."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jdnet_jax import handoff
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.data.synthetic_meals import CLASS_NAMES
from jdnet_jax.export import exporter
from jdnet_jax.export.comparison import Comparison
from jdnet_jax.export.exporter import Request, export
from jdnet_jax.figures import intervals
from jdnet_jax.handoff import model_card
from jdnet_jax.inference.open import open_model
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir
from tests import tiny_student
from tests.export.conftest import Student


@pytest.fixture(scope="module")
def source(resnet, tmp_path_factory):
    """The folder of a hand-off alone."""
    folder = tmp_path_factory.mktemp("tiny") / "student"
    handoff.save(folder, resnet.variables, resnet.card)
    return folder


@pytest.fixture
def photos(resnet, tmp_path):
    """A folder of photos."""
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(resnet.images):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, small_data):
    """A workdir whose dataset is prepared in `small_data`."""
    place = Workdir(tmp_path_factory.mktemp("run"))
    student = Student(classes=CLASS_NAMES)
    handoff.save(place.student, student.variables, student.card)
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41)}
    place.claim(config)
    return place.path


@pytest.mark.parametrize(("file_format", "name"), [("stablehlo", "s.stablehlo"), ("saved_model", "saved")])
def test_a_hand_off_alone_is_enough(resnet, source, tmp_path, file_format, name):
    report = export(Request(source, file_format, "none", tmp_path / "out" / name))
    found = report.comparison
    assert (found.source, found.agreement, found.top1) == ("48 drawn pictures", 1.0, None)
    assert found.largest_difference < 1e-5
    runner = open_model(tmp_path / "out" / name)
    expected = resnet.runner.run(resnet.images)
    np.testing.assert_allclose(runner.run(resnet.images).probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    card = runner.card
    assert (card.file_format, card.dtype, card.classes) == (file_format, "float32", resnet.card.classes)
    assert card.temperature == 1.5
    assert card.export["bytes"] == report.size
    assert card.export["comparison"] == found.summary()
    assert f"{report.size:,} bytes" in str(report)


def test_safetensors_are_weights_as_they_are(resnet, source, tmp_path):
    report = export(Request(source, "safetensors", "none", tmp_path / "student.safetensors"))
    assert report.comparison.largest_difference == 0
    assert open_model(tmp_path / "student.safetensors").card.file_format == "safetensors"


@pytest.mark.parametrize(("file_format", "name"), [("stablehlo", "s.stablehlo"), ("safetensors", "s.safetensors")])
def test_a_network_without_batch_norm(transformer, tmp_path, file_format, name):
    handoff.save(tmp_path / "student", transformer.variables, transformer.card)
    report = export(Request(tmp_path / "student", file_format, "none", tmp_path / name))
    assert report.comparison.largest_difference < 1e-5


def test_a_network_that_onnx_cannot_express_here(transformer, tmp_path):
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    handoff.save(tmp_path / "student", transformer.variables, transformer.card)
    with pytest.raises(UserError, match=r"^vit_tiny_test cannot be exported to ONNX \(.*\): choose --format=tflite"):
        export(Request(tmp_path / "student", "onnx", "none", tmp_path / "s.onnx"))
    assert not (tmp_path / "s.onnx").exists()


def test_onnx(source, tmp_path):
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    report = export(Request(source, "onnx", "none", tmp_path / "student.onnx"))
    assert report.comparison.largest_difference < 1e-5


def test_int8_from_a_folder_of_photos(resnet, source, photos, tmp_path, capsys):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    request = Request(source, "tflite", "int8", tmp_path / "student.tflite", photos, author="Me", licence="CC0")
    report = export(request)
    assert report.comparison.source == f"2 photos of {photos} that it was not calibrated with"
    assert report.comparison.count == 2
    assert f"warning: 4 photos of {photos} are too few to calibrate" in capsys.readouterr().err
    about = json.loads((tmp_path / "student.tflite.model.json").read_text())
    assert (about["format"], about["dtype"]) == ("tflite", "int8")
    assert about["export"]["calibration"] == f"4 photos of {photos}"
    assert about["export"]["outputs"] == ["probabilities"]
    content = (tmp_path / "student.tflite").read_bytes()
    assert b"Me\0" in content
    assert b"CC0\0" in content


def test_a_run_is_calibrated_and_compared_on_its_own_dataset(workdir, small_data, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    request = Request(workdir / "student", "tflite", "int8", tmp_path / "student.tflite", allow_loss=True)
    report = export(request)
    assert report.comparison.source == "24 photos of synthetic_meals, val"
    assert report.comparison.top1 is not None
    student, file = (intervals.share(top1, 24, of=False) for top1 in report.comparison.top1)
    assert f"top-1 there: student {student}, file {file}" in str(report)
    card = model_card.read(tmp_path / "student.tflite.model.json")
    assert card.export["calibration"] == "64 photos of synthetic_meals, train"


def test_a_file_judged_on_few_photos_is_to_be_tested_on_others():
    said = str(exporter.Report(Path("my student.tflite"), 10, Comparison("16 photos", 16, 15 / 16, 0.38, (0.875, 1.0))))
    assert said.splitlines()[1:] == [
        "on 16 photos: the same class as the student on 93.8 % of 16 (72 to 99), largest difference of a probability "
        "0.38",
        "top-1 there: student 87.5 % (64 to 97), file 100 % (81 to 100)",
        "16 photos are few to judge by: test the file on others, with python -m jdnet_jax.evaluate "
        "--model='my student.tflite' --photos=FOLDER",
    ]
    alike, many = (Comparison("photos", count, 1.0, off, None) for count, off in ((16, 1e-6), (100, 0.38)))
    assert not any("few" in str(exporter.Report(Path("s.tflite"), 10, compared)) for compared in (alike, many))


def test_nothing_is_left_of_a_file_that_loses_too_much(source, tmp_path, monkeypatch):
    class Worse:
        """A runner whose first class always wins."""

        card = tiny_student.card()

        def run(self, images):
            probabilities = np.eye(7, dtype=np.float32)[np.zeros(len(images), int)]
            return Prediction(probabilities, np.zeros((len(images), 2, 2), np.float32))

    monkeypatch.setattr(exporter, "open_model", lambda path: Worse())
    with pytest.raises(UserError, match=r"differ from the student's by up to .* it was not kept"):
        export(Request(source, "stablehlo", "none", tmp_path / "student.stablehlo"))
    assert not [*tmp_path.iterdir()]


def test_int8_without_photos_says_where_to_get_them(source, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    with pytest.raises(UserError, match=r"--quantize=int8 needs photos .*--calibrate=FOLDER"):
        export(Request(source, "tflite", "int8", tmp_path / "student.tflite"))
    assert not [*tmp_path.iterdir()]


def test_what_is_no_student(tmp_path):
    with pytest.raises(UserError, match="is not a model of this project"):
        export(Request(tmp_path, "stablehlo", "none", tmp_path / "student.stablehlo"))


def test_a_dataset_that_is_not_prepared_is_not_waited_for(workdir, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "empty"))
    report = export(Request(workdir, "safetensors", "none", tmp_path / "student.safetensors"))
    assert report.comparison.source == "48 drawn pictures"
    assert not (tmp_path / "empty").exists()
