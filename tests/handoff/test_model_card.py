import dataclasses
import json

import pytest

from jdnet_jax.handoff import model_card
from jdnet_jax.handoff.model_card import BadModelCardError
from jdnet_jax.process.errors import UserError
from tests import tiny_student

CARD = tiny_student.card(
    temperature=1.5,
    not_sure_below=0.4,
    file_format="tflite",
    dtype="int8",
    parameters=7,
    accuracy={"val": {"top1": 0.5}},
    sha256="ab" * 32,
    export={"size": 3},
)


def changed(**changes) -> str:
    fields = {**json.loads(CARD.to_json()), **changes}
    return json.dumps({key: value for key, value in fields.items() if value is not ...})


def nested(depth):
    return {"a": nested(depth - 1)} if depth else {}


def test_round_trip_through_a_file(tmp_path):
    model_card.write(tmp_path / "model.json", CARD)
    assert model_card.read(tmp_path / "model.json") == CARD


def test_the_text_names_what_the_contract_names():
    fields = json.loads(CARD.to_json())
    assert fields["format_version"] == 1
    assert fields["resize"] == {"shorter_side": 36, "crop": "center", "method": "bilinear", "antialias": True}
    assert fields["classes"] == list(tiny_student.CLASSES)
    assert (fields["temperature"], fields["format"], fields["dtype"]) == (1.5, "tflite", "int8")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"view": "roi"}, {"view": "roi"}),
        ({"view": "roi+context", "mean": (1.0,) * 6, "std": (2.0,) * 6}, {"view": "roi+context", "mean": [1.0] * 6}),
        (
            {"fit": "pad", "shorter_side": CARD.image_size},
            {"resize": {"longer_side": CARD.image_size, "pad": 125, "method": "bilinear", "antialias": True}},
        ),
    ],
)
def test_what_an_earlier_version_would_misread_has_a_newer_one(changes, fields):
    card = dataclasses.replace(CARD, **changes)
    text = json.loads(card.to_json())
    assert text["format_version"] == 2
    assert {key: text[key] for key in fields} == fields
    assert model_card.parse(card.to_json()) == card


def test_a_card_of_before_temperatures_means_one():
    old = changed(temperature=..., not_sure_below=..., format=..., dtype=..., export=...)
    assert model_card.parse(old) == dataclasses.replace(
        CARD, temperature=1.0, not_sure_below=0.0, file_format="flax", dtype="float32", export={}
    )


def test_the_crop_fraction_gives_back_the_shorter_side():
    for size in (32, 96, 128, 224, 260, 299):
        for shorter_side in range(size, 2 * size):
            card = dataclasses.replace(CARD, image_size=size, shorter_side=shorter_side)
            assert round(size / card.crop_fraction) == shorter_side


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[1]", "is not of a model of this project"),
        ('{"name": "something else"}', "is not of a model of this project"),
        (changed(format_version=3), "has format version 3, newer than 2: update jdnet_jax"),
        (changed(format_version="1"), "format_version is not a number"),
        (changed(model=...), r"is damaged \(it lacks model\)"),
        (changed(classes=[]), "classes is not a list of names"),
        (changed(classes=["a", 3]), "classes is not a list of names"),
        (changed(image_size=0), "image_size"),
        (changed(image_size=True), "image_size"),
        (changed(std=[1, 0, 1]), "std is not between 0.001 and 10000"),
        (changed(mean=[1, 2]), "mean is not three numbers"),
        (changed(view="roi+context"), "mean is not six numbers"),
        (changed(view="food"), "view is none that there is"),
        (changed(resize={"longer_side": 5, "pad": 125}), "longer_side is not image_size"),
        (changed(mean=[float("nan"), 0, 0]), "mean is not between -10000 and 10000"),
        (changed(resize={"shorter_side": 16, "crop": "center"}), "shorter_side is below image_size"),
        (changed(resize={"shorter_side": 36, "crop": "squash"}), "another rule"),
        (changed(resize=3), "resize is not a rule"),
        (changed(temperature=0), "temperature is not between 0.001 and 1000"),
        (changed(temperature=float("nan")), "temperature is not between 0.001 and 1000"),
        (changed(not_sure_below=1.5), "not_sure_below is not a probability"),
        (changed(not_sure_below=float("nan")), "not_sure_below is not a probability"),
        (changed(not_sure_below="often"), "not_sure_below is not a probability"),
        (changed(not_sure_below=None), "not_sure_below is not a probability"),
        (changed(temperature="warm"), "temperature is not between 0.001 and 1000"),
        (changed(options=[1]), "options is not a section"),
        (changed(dtype=8), "dtype is none of float32"),
        (changed(dtype="object"), "dtype is none of float32"),
        (changed(dtype=["float32"]), "dtype is none of float32"),
        (changed(format="exe"), "format is none of flax"),
        (changed(temperature=1e-300), "temperature is not between"),
        (changed(temperature=10**400), "temperature is not between"),
        (changed(temperature=True), "temperature is not between"),
        (changed(image_size=10**9), "image_size is not a number of pixels up to 4096"),
        (changed(resize={**json.loads(CARD.to_json())["resize"], "shorter_side": 10**9}), "above 8 times"),
        (changed(parameters="many"), "parameters is not a number"),
        (changed(parameters=10**30), "parameters is not a number"),
        (changed(classes=["x" * 1001]), "a name that is too long"),
        (changed(classes=["x"] * 100_001), "classes is not a list of names"),
        (changed(std=[1e-300, 1, 1]), "std is not between"),
        (changed(options={"width": 10**12}), "options has a number above 65536"),
        (changed(options={"width": [[1, 10**12]]}), "options has a number above 65536"),
        (changed(sha256="ab"), "sha256 is not 64"),
        (changed(accuracy=nested(13)), "accuracy holds too much"),
        (changed(trained={"on": [0] * 100_001}), "trained holds too much"),
        ("[" * 100_000, "is damaged"),
        ('{"format_version": 1, "export": ' + "[" * 5_000, "is damaged"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(BadModelCardError, match=message):
        model_card.parse(text)


def test_reading_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"model.json cannot be read \(No such file or directory\)"):
        model_card.read(tmp_path / "model.json")
    (tmp_path / "model.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"model.json is damaged \(no text\)"):
        model_card.read(tmp_path / "model.json")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(UserError, match=r"model.json is not of a model of this project"):
        model_card.read(tmp_path / "model.json")


def test_the_card_lies_in_the_folder_or_beside_the_file(tmp_path):
    assert model_card.card_path(tmp_path) == tmp_path / "model.json"
    assert model_card.card_path(tmp_path / "student.tflite") == tmp_path / "student.tflite.model.json"


@pytest.mark.parametrize(("below", "probability", "sure"), [(0.4, 0.4, True), (0.4, 0.399, False), (0.0, 0.1, None)])
def test_it_is_sure_from_its_threshold_on(below, probability, sure):
    assert dataclasses.replace(CARD, not_sure_below=below).is_sure(probability) is sure
