import pytest

from jdnet_jax.export.placement import placed
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.process.errors import UserError


def write(output, suffix, text):
    with placed(output, suffix) as path:
        if suffix:
            path.write_text(text)
        else:
            (path / "saved_model.pb").write_text(text)
        model_card.card_path(path).write_text(f"card of {text}")
        sums.seal(path)


def test_a_file_and_its_card_come_whole_and_replace_the_old(tmp_path):
    output = tmp_path / "new" / "student.tflite"
    for text in ("one", "two"):
        write(output, ".tflite", text)
        assert output.read_text() == text
        assert (tmp_path / "new" / "student.tflite.model.json").read_text() == f"card of {text}"
        names = {path.name for path in output.parent.iterdir()}
        assert names == {"student.tflite", "student.tflite.model.json", "student.tflite.SHA256SUMS"}
        assert sums.check(output)


def test_a_folder_comes_whole_and_replaces_the_old(tmp_path):
    output = tmp_path / "saved"
    for text in ("one", "two"):
        write(output, "", text)
        assert sorted(path.name for path in output.iterdir()) == ["SHA256SUMS", "model.json", "saved_model.pb"]
        assert (output / "saved_model.pb").read_text() == text
        assert [*tmp_path.iterdir()] == [output]


@pytest.mark.parametrize(("name", "suffix"), [("student.tflite", ".tflite"), ("saved", "")])
def test_a_failure_leaves_the_old_and_nothing_new(tmp_path, name, suffix):
    def fail():
        with placed(tmp_path / name, suffix) as path:
            (path if suffix else path / "saved_model.pb").write_text("half")
            raise UserError("it loses too much")

    with pytest.raises(UserError, match="loses too much"):
        fail()
    assert not [*tmp_path.iterdir()]
    write(tmp_path / name, suffix, "old")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(UserError, match="loses too much"):
        fail()
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_places_that_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"student.lite must end in .tflite"):
        write(tmp_path / "student.lite", ".tflite", "")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").touch()
    with pytest.raises(UserError, match=r"photos is a folder that export did not write"):
        write(tmp_path / "photos", "", "")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is a file, and a folder is to be written"):
        write(tmp_path / "file", "", "")
    with pytest.raises(UserError, match=r"cannot be written \(.*\): choose another place"):
        write(tmp_path / "file" / "below" / "student.tflite", ".tflite", "")
    assert (tmp_path / "photos" / "mine.jpg").exists()


def test_a_full_disk_is_one_line(tmp_path):
    def fill():
        with placed(tmp_path / "student.tflite", ".tflite"):
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"student.tflite cannot be written \(No space left on device\): make room"):
        fill()
    assert not [*tmp_path.iterdir()]


def test_a_core_ml_package_is_a_folder_with_a_suffix(tmp_path):
    output = tmp_path / "student.mlpackage"
    for text in ("one", "two"):
        with placed(output, ".mlpackage") as path:
            (path / "Manifest.json").write_text(text)
            model_card.card_path(path).write_text("card")
            sums.seal(path)
        assert (output / "Manifest.json").read_text() == text
    (tmp_path / "other.mlpackage").mkdir()
    (tmp_path / "other.mlpackage" / "mine").touch()
    with (
        pytest.raises(UserError, match=r"other.mlpackage is a folder that export did not write"),
        placed(tmp_path / "other.mlpackage", ".mlpackage"),
    ):
        pass
