import subprocess

import pytest

from jdnet_jax.handoff import model_card, sums
from jdnet_jax.process.errors import UserError
from tests import tiny_student


@pytest.fixture(params=["student.tflite", "saved"])
def exported(tmp_path, request):
    """An exported file or folder, which is sealed."""
    model = tmp_path / request.param
    content = model
    if request.param == "saved":
        model.mkdir()
        content = model / "saved_model.pb"
    content.write_bytes(b"weights")
    model_card.write(model_card.card_path(model), tiny_student.card())
    sums.seal(model)
    return model, content


def test_a_file_and_its_card_are_checked(exported):
    model, content = exported
    assert sums.exported_card(model) == tiny_student.card()
    place = sums.list_path(model)
    subprocess.run(["sha256sum", "--check", "--strict", place.name], cwd=place.parent, check=True, capture_output=True)
    card = model_card.card_path(model)
    for path, flipped in ((content, b"weightt"), (card, card.read_bytes().replace(b"apple", b"Apple"))):
        before = path.read_bytes()
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=rf"since it was written \({path.name} has changed\): put back a copy"):
            sums.exported_card(model)
        path.write_bytes(before)
    for path in (content, card):
        before = path.read_bytes()
        path.unlink()
        with pytest.raises(UserError, match=rf"{path.name} beside it|{path.name} is missing"):
            sums.exported_card(model)
        path.write_bytes(before)
    assert sums.check(model)


def test_what_lies_beside_is_no_damage(exported):
    model, _ = exported
    (sums.list_path(model).parent / "another.tflite").touch()
    assert sums.check(model)


def test_without_a_list_it_is_read_and_a_line_says_so_once(exported, capsys):
    model, _ = exported
    sums.list_path(model).unlink()
    for _ in range(2):
        assert sums.exported_card(model) == tiny_student.card()
    assert capsys.readouterr().err.splitlines() == [
        f"note: there is no {sums.list_path(model)}, which earlier versions did not write: whether the model has "
        "changed since cannot be checked"
    ]
