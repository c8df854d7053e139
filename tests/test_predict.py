"""The command, on a hand-off that was never trained."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from tests import tiny_student
from tests.commands import command, last_line
from tests.demo.conftest import write_tflite


def predict(*args, **env):
    return command("predict", *args, **env)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a hand-off, photos and a file that is none."""
    folder = tmp_path_factory.mktemp("place")
    tiny_student.save(folder / "student")
    (folder / "photos").mkdir()
    for number, name in enumerate(("b.png", "a.jpg")):
        Image.fromarray(np.full((60, 80, 3), 90 * number, np.uint8)).save(folder / "photos" / name)
    (folder / "bad.jpg").write_bytes(b"no photo")
    return folder


@pytest.mark.slow
def test_json_in_the_order_of_the_input_with_overlays_and_a_bad_photo(place):
    names = [place / "photos" / "b.png", place / "bad.jpg", place / "photos"]
    args = [f"--model={place / 'student'}", "--json", f"--overlay={place / 'overlays'}", *map(str, names)]
    result = predict(*args)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    expected = [names[0], names[1], place / "photos" / "a.jpg", place / "photos" / "b.png"]
    assert [entry["photo"] for entry in found] == [str(path) for path in expected]
    assert found[1] == {"photo": str(names[1]), "error": "truncated or not an image"}
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert lines[0] == f"{names[1]}: truncated or not an image"
    assert lines[1:] == ["error: 1 of 4 photos could not be read; the lines above say why"]
    for entry in (found[0], found[2], found[3]):
        assert entry["sure"] is None  # its model does not know
        shares = [answer["probability"] for answer in entry["top"]]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert {answer["class"] for answer in entry["top"]} <= set(tiny_student.CLASSES)
        with Image.open(entry["overlay"]) as image:
            assert image.format == "JPEG"
    assert found[0]["top"] == found[3]["top"]
    assert len(os.listdir(place / "overlays")) == len({entry.get("overlay") for entry in found}) - 1 == 3


@pytest.mark.slow
def test_a_table_for_people(place):
    result = predict(f"--model={place}", str(place / "photos" / "a.jpg"), fresh=True)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == str(place / "photos" / "a.jpg")
    assert len(lines) == 6
    assert all(line.split()[1] in tiny_student.CLASSES for line in lines[1:])
    assert result.stderr == ""


@pytest.mark.slow
def test_a_table_for_spreadsheets(place, tmp_path):
    names = [place / "photos" / "a.jpg", place / "bad.jpg"]
    result = predict(f"--model={place}", "--json", "--top=2", f"--csv={tmp_path / 'answers.csv'}", *map(str, names))
    assert result.returncode == 2
    with open(tmp_path / "answers.csv", encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    (best, next_best) = json.loads(result.stdout.splitlines()[0])["top"]
    assert (first["photo"], first["problem"]) == (str(names[0]), "")
    assert (first["class_1"], first["probability_1"]) == (best["class"], f"{best['probability']:.6f}")
    assert (first["class_2"], first["probability_2"]) == (next_best["class"], f"{next_best['probability']:.6f}")
    assert second == dict.fromkeys(first, "") | {"photo": str(names[1]), "problem": "truncated or not an image"}


@pytest.mark.slow
def test_it_says_of_which_photos_the_model_is_not_sure(place, tmp_path):
    model = tiny_student.save(tmp_path / "student", not_sure_below=1.0)
    table = tmp_path / "answers.csv"
    result = predict(f"--model={model}", f"--csv={table}", str(place / "photos"))
    assert result.returncode == 0
    heads = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert heads == [f"{place / 'photos' / name}: not sure, perhaps" for name in ("a.jpg", "b.png")]
    line = "not sure of 2 of 2 photos: the most probable class is below a probability of 100 %"
    assert result.stderr.splitlines() == [line]
    assert [row["sure"] for row in csv.DictReader(table.read_text().splitlines())] == ["no", "no"]


def test_a_table_that_cannot_be_written_is_found_at_once(place):
    for path in (place, place / "none" / "answers.csv"):
        result = predict(f"--model={place}", f"--csv={path}", str(place / "photos"))
        assert result.returncode == 2
        assert last_line(result) == f"error: --csv={path} cannot be written: name a file in a folder that there is"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: --model is missing"),
        (["--model=runs/demo"], "error: name photos, or folders of photos"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = predict(*args)
    assert result.returncode == 2
    assert last_line(result).startswith(message)


def test_a_place_for_overlays_that_cannot_be_made_is_found_at_once(place):
    result = predict(f"--model={place}", f"--overlay={place / 'bad.jpg' / 'below'}", str(place / "photos"))
    assert result.returncode == 2
    assert last_line(result).startswith(f"error: --overlay={place / 'bad.jpg' / 'below'} cannot be made")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_file_of_probabilities_alone_has_no_map_to_draw(place, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")
    file = write_tflite(tmp_path, ["probabilities"])
    result = predict(f"--model={file}", str(place / "photos" / "a.jpg"))
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 6)
    result = predict(f"--model={file}", f"--overlay={tmp_path / 'overlays'}", str(place / "photos" / "a.jpg"))
    assert (result.returncode, result.stdout) == (2, "")
    assert last_line(result).startswith(f"error: {file} gives no activation map, which --overlay draws")
