import re

import pytest

from jdnet_jax.demo import model_file
from jdnet_jax.handoff import model_card
from jdnet_jax.process.errors import UserError
from tests import tiny_student


def write(path, content, card=True):
    path.write_bytes(content)
    if card:
        model_card.write(model_card.card_path(path), tiny_student.card(file_format=path.suffix[1:]))
    return path


@pytest.mark.parametrize(("name", "runtime"), [("a.tflite", "litert"), ("b.onnx", "onnxruntime")])
def test_an_exported_file_with_its_card(tmp_path, name, runtime):
    path = write(tmp_path / name, b"\x1c\0\0\0TFL3 and more")
    found = model_file.load(path)
    assert re.fullmatch(rf"student-[0-9a-f]{{12}}\{path.suffix}", found.name)
    assert found.runtime == runtime
    assert found.content == path.read_bytes()
    assert found.card.classes == tiny_student.CLASSES
    assert model_file.load(path).name == found.name
    assert model_file.load(write(path, b"\x1c\0\0\0TFL3 and other")).name != found.name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view": "roi"}, "takes the view roi, which needs a mask of each photo: the page has none"),
        ({"view": "roi+context"}, r"takes the view roi\+context, which needs a mask"),
        (
            {"fit": "pad", "shorter_side": 32},
            r"takes photos with grey borders \(config.fit=pad\), but the page crops",
        ),
    ],
)
def test_a_student_that_sees_photos_in_another_way_than_the_page(tmp_path, changes, message):
    path = write(tmp_path / "a.tflite", b"\x1c\0\0\0TFL3")
    channels = {"mean": (1.0,) * 6, "std": (1.0,) * 6} if "context" in changes.get("view", "") else {}
    model_card.write(model_card.card_path(path), tiny_student.card(file_format="tflite", **channels, **changes))
    with pytest.raises(UserError, match=message):
        model_file.load(path)
    if not channels:
        with pytest.raises(UserError, match=message):  # before it is exported
            model_file.load(tiny_student.save(tmp_path / "student", **changes))


def test_what_no_browser_runs_is_one_line(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for path, message in {
        tmp_path / "nothing.tflite": "there is no model at .*nothing.tflite",
        write(tmp_path / "a.stablehlo", b"x"): "a.stablehlo was exported without the weights: name the workdir",
        tmp_path / "saved": "saved was exported without the weights: name the workdir",
        tmp_path / "empty": "empty is not a model of this project",
        write(
            tmp_path / "lone.tflite", b"\0\0\0\0TFL3", card=False
        ): "lone.tflite has no lone.tflite.model.json beside it",
        write(tmp_path / "bad.tflite", b"no model at all"): "bad.tflite is no tflite file, or is damaged",
        write(tmp_path / "empty.onnx", b""): "empty.onnx is no onnx file, or is damaged",
    }.items():
        with pytest.raises(UserError, match=message):
            model_file.load(path)


@pytest.mark.slow
def test_a_handoff_is_exported_first(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    found = model_file.load(tiny_student.save(tmp_path / "student"))
    assert found.content[4:8] == b"TFL3"
    assert (found.card.file_format, found.card.classes) == ("tflite", tiny_student.CLASSES)
