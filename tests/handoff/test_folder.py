import dataclasses
import json
import subprocess

import numpy as np
import pytest

from jdnet_jax import handoff
from jdnet_jax.files.plain_path import LiteralPath
from jdnet_jax.handoff import sums
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.errors import UserError

VARIABLES = {
    "params": {"conv": {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}},
    "batch_stats": {"bn": {"mean": np.ones(3, np.float32)}},
}
CARD = ModelCard("resnet_tiny", ("rice", "peas"), 32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), shorter_side=36)


@pytest.fixture
def folder(tmp_path):
    handoff.save(tmp_path / "student", VARIABLES, CARD)
    return tmp_path / "student"


def test_round_trip_from_the_folder_and_from_the_workdir(folder):
    for path in (folder, folder.parent):
        assert handoff.is_handoff(path)
        variables, card = handoff.load(path, model="resnet_tiny", num_classes=2)
        np.testing.assert_array_equal(variables["params"]["conv"]["kernel"], VARIABLES["params"]["conv"]["kernel"])
        np.testing.assert_array_equal(variables["batch_stats"]["bn"]["mean"], np.ones(3))
        assert card == CARD


def test_saving_again_replaces_the_whole(folder):
    handoff.save(folder, VARIABLES, dataclasses.replace(CARD, classes=("a", "b", "c")))
    assert handoff.load(folder)[1].classes == ("a", "b", "c")
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


def test_a_failed_save_leaves_the_old_one(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ModelCard, "to_json", full)
    with pytest.raises(UserError, match=r"could not be written .*No space left on device"):
        handoff.save(folder, VARIABLES, dataclasses.replace(CARD, model="other"))
    monkeypatch.undo()
    assert handoff.load(folder)[1].model == "resnet_tiny"
    assert [path.name for path in folder.parent.iterdir()] == ["student"]


def test_wrong_model_classes_version_and_folder(folder, tmp_path):
    with pytest.raises(UserError, match="holds the model 'resnet_tiny', not 'resnet18'"):
        handoff.load(folder, model="resnet18")
    with pytest.raises(UserError, match="was trained on 2 classes, not on 3"):
        handoff.load(folder, num_classes=3)
    with pytest.raises(UserError, match="is not a hand-off"):
        handoff.load(tmp_path / "nowhere")
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, "format_version": 99}))
    with pytest.raises(UserError, match="format version 99, newer than 2: update jdnet_jax"):
        handoff.load(folder)


def test_damage_is_named(folder):
    (folder / "model.json").write_text('{"model": ')
    with pytest.raises(UserError, match=r"model.json is damaged"):
        handoff.load(folder)


def without_a_list(folder):
    """As an earlier version left it."""
    (folder / "SHA256SUMS").unlink()
    return folder


def test_a_checkpoint_that_lost_a_file_is_damaged(folder):
    for path in (folder / "checkpoint").rglob("*"):
        if path.is_file() and path.name in ("_METADATA", "manifest.ocdbt"):
            path.unlink()
    with pytest.raises(UserError, match=r"has changed since it was written \(checkpoint/_METADATA is missing\)"):
        handoff.load(folder)
    with pytest.raises(UserError, match="checkpoint is damaged"):
        handoff.load(without_a_list(folder))


def test_any_file_that_changed_is_named_and_how_to_accept_it(folder, capsys):
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace("rice", "Rice"))
    for read in (handoff.load, sums.checked_card):
        with pytest.raises(
            UserError, match=r"has changed since it was written \(model.json has changed\).* delete \S+SUMS"
        ):
            read(folder)
    assert handoff.load(without_a_list(folder))[1].classes == ("Rice", "peas")
    assert f"note: there is no {folder / 'SHA256SUMS'}, which earlier versions" in capsys.readouterr().err


def test_what_others_put_beside_it_is_no_damage(folder):
    (folder / "README.md").touch()
    assert handoff.load(folder)[1] == CARD


def test_the_list_covers_all_files_and_is_what_sha256sum_reads(folder):
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True, text=True
    )
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {line.removesuffix(": OK") for line in result.stdout.splitlines()} == files - {"SHA256SUMS"}
    assert "model.json" in files


def test_without_a_list_the_weights_are_compared_with_what_the_card_says(tmp_path):
    folder = tmp_path / "student"
    handoff.save(folder, VARIABLES, dataclasses.replace(CARD, sha256=sha256(VARIABLES)))
    assert handoff.load(without_a_list(folder))[1].sha256 == sha256(VARIABLES)
    handoff.save(folder, VARIABLES, dataclasses.replace(CARD, sha256="0" * 64))
    with pytest.raises(UserError, match=r"holds other weights than \S+model.json names: put back a copy"):
        handoff.load(without_a_list(folder))


@pytest.mark.parametrize("name", ["out [1]", "a*b", "what?"])
def test_a_folder_whose_name_is_a_pattern(tmp_path, name):
    (tmp_path / "out 1").mkdir()
    handoff.save(tmp_path / name / "student", VARIABLES, CARD)
    variables, card = handoff.load(tmp_path / name)
    np.testing.assert_array_equal(variables["params"]["conv"]["kernel"], VARIABLES["params"]["conv"]["kernel"])
    assert card == CARD


def test_what_orbax_did_not_finish_is_not_handed_over(tmp_path, monkeypatch):
    """Its merging of files is what a pattern in a name once kept from happening, with a warning alone."""
    monkeypatch.setattr(LiteralPath, "glob", lambda self, pattern: iter(()))
    with pytest.raises(UserError, match=r"the hand-off could not be written \(Orbax wrote no manifest.ocdbt\)"):
        handoff.save(tmp_path / "student", VARIABLES, CARD)
    assert list(tmp_path.iterdir()) == []
