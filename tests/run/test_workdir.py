import fcntl
import json
import subprocess
import sys

import numpy as np
import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.files import array_file
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir, text_of


def test_the_dataset_is_the_one_that_was_claimed(tmp_path):
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41), "seed": 3}
    config.dataset.cache = True
    place = Workdir(tmp_path)
    place.claim(config)
    found = place.dataset_config()
    assert found.to_dict() == {**config.dataset.to_dict(), "cache": False}
    assert found.options.counts == (64, 24, 41)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"dataset": 3}', '{"dataset": {"name": "food101"}}'])
def test_a_config_that_tells_of_no_dataset(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        UserError,
        match=r"config.json (cannot be read|is damaged) \(.*: put back a copy, or name the dataset with --config",
    ):
        Workdir(tmp_path).dataset_config()


def test_keys_that_are_free_to_change_are_kept_as_they_are_now(tmp_path):
    config = config_lib.default()
    place = Workdir(tmp_path)
    place.claim(config)
    place.checkpoints.mkdir()
    (place.checkpoints / "100").mkdir()
    config.dataset.data_dir = "where the photos lie now"
    place.claim(config)
    assert place.dataset_config().data_dir == "where the photos lie now"
    config.seed += 1
    with pytest.raises(UserError, match="belongs to a run of another config, which differs in seed"):
        place.claim(config)
    assert Workdir(tmp_path / "not there" / "yet").held().__enter__() is None


def test_values_of_a_training_before_count_where_there_is_one(tmp_path):
    config = recipes.apply_recipe(config_lib.default(), "kd")
    config.teachers.teacher.init = str(tmp_path / "a run")
    place = Workdir(tmp_path / "run")
    place.claim(config)
    assert not place.has_checkpoint()
    (place.checkpoints / "100").mkdir(parents=True)
    assert place.has_checkpoint()
    config.teachers.teacher.before = {"epochs": 3.0}  # a version later the config file has it
    place.claim(config)
    config.teachers.teacher.init = "random"
    with pytest.raises(UserError, match=r"differs in teachers.teacher.before.*, teachers.teacher.init"):
        place.claim(config)


def test_keys_that_are_removed_change_nothing_where_they_were_off(tmp_path):
    config = config_lib.default()
    config.teachers["share"] = config.teachers.teacher
    config.resolutions = {"share": 0}  # a teacher of that name is no such key
    place = Workdir(tmp_path)
    place.claim(config)
    (place.checkpoints / "100").mkdir(parents=True)
    before = json.loads(place.config.read_text())
    before["share_every"], before["losses"]["mskd"]["share"] = 20, 0.0
    place.config.write_text(json.dumps(before))
    place.claim(config)
    before["losses"]["mskd"]["share"] = 0.3
    place.config.write_text(json.dumps(before))
    with pytest.raises(UserError, match=r"belongs to a run of another config, which differs in losses.mskd.share"):
        place.claim(config)


def test_the_text_of_a_config_is_that_of_its_values():
    a, b = config_lib.default(), config_lib.default()
    b.dataset.data_dir = "elsewhere"
    assert text_of(a, but="dataset.data_dir") == text_of(b, but="dataset.data_dir")
    assert a.dataset.data_dir != "elsewhere"
    b.augment.flip = not b.augment.flip
    assert text_of(a, but="dataset.data_dir") != text_of(b, but="dataset.data_dir")


def test_one_process_trains_in_a_folder(tmp_path):
    place = Workdir(tmp_path)
    with place.held():
        with pytest.raises(UserError, match=r"--workdir=.*: another process is training there: let it end, or stop it"):
            place.held().__enter__()
        code = "from jdnet_jax.run.workdir import Workdir; import sys; Workdir(sys.argv[1]).held().__enter__()"
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
        assert "another process is training there" in other.stderr
    with place.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_keeps_nobody(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Workdir(tmp_path).held(), Workdir(tmp_path).held():
        pass


SCORES = {"top1": 0.5, "top5": 1.0, "macro_f1": 0.5, "loss": 1.0, "count": 2}
SUMMARY = {
    "recipe": "ce",
    "dataset": "drawn",
    "protocol": "drawn",
    "step": 1,
    "steps": 1,
    "seed": 0,
    "images_per_second": None,
    "student": {"model": "resnet_tiny", "params": 3, "val": SCORES, "test": SCORES},
    "teachers": {},
}


@pytest.fixture
def finished(tmp_path):
    place = Workdir(tmp_path)
    place.claim(config_lib.default())
    place.claim_data("drawn")
    place.metrics.write_text('{"step": 1}\n')
    place.command.write_text("python -m jdnet_jax.main\n")
    place.snapshots.mkdir()
    for name in ("photos", "1"):
        array_file.write(place.snapshots / f"{name}.npz", {"a": np.zeros(3)})
    array_file.write(place.evaluation, {"a": np.zeros(3)})
    place.report.write_text("a report is made anew")
    place.finish(SUMMARY)
    return place


def test_the_sums_of_a_finished_run_cover_what_it_leaves(finished):
    assert finished.finished() == SUMMARY
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=finished.path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert {line.removesuffix(": OK") for line in result.stdout.splitlines()} == {
        *("command.txt", "config.json", "data.json", "evaluation.npz", "metrics.jsonl", "summary.json"),
        *("snapshots/1.npz", "snapshots/photos.npz"),
    }


@pytest.mark.parametrize(
    "name", ["command.txt", "config.json", "data.json", "evaluation.npz", "metrics.jsonl", "snapshots/1.npz"]
)
def test_a_file_of_a_finished_run_that_changed_is_named(finished, name):
    with open(finished.path / name, "ab") as file:
        file.write(b" ")
    for read in (finished.finished, finished.dataset_config, lambda: finished.claim(config_lib.default())):
        with pytest.raises(UserError) as error:
            read()
        text = str(error.value)
        assert text.startswith(f"{finished.path} has changed since the run ended ({name} has changed): put back a copy")
        assert text.endswith(f"; if it was changed on purpose, delete {finished.path / 'SHA256SUMS'}")
        assert ("run the same command, which tests the networks again" in text) == (name == "evaluation.npz")
    (finished.path / name).unlink()
    with pytest.raises(UserError, match=rf"\({name} is missing\)"):
        finished.finished()


def test_without_sums_a_run_is_read_and_a_line_says_so(finished, capsys):
    (finished.path / "SHA256SUMS").unlink()
    assert finished.finished() == finished.finished() == SUMMARY
    assert (
        capsys.readouterr().err.count(f"note: there is no {finished.path / 'SHA256SUMS'}, which earlier versions") == 1
    )


def test_of_a_finished_run_nothing_changes_any_more(finished):
    config = config_lib.default()
    config.dataset.data_dir = "where the photos lie now"
    finished.claim(config)
    assert finished.finished() == SUMMARY


def test_a_run_that_was_killed_before_its_summary_is_not_finished(finished, capsys):
    finished.summary.unlink()
    assert finished.finished() is None
    assert f"note: {finished.summary} is not there: the command of the run tests" in capsys.readouterr().err
    finished.finish(SUMMARY)
    assert finished.finished() == SUMMARY


def test_what_a_run_that_goes_on_has_lost_is_told(finished, capsys):
    for file in (finished.summary, finished.path / "SHA256SUMS"):
        file.unlink()
    (finished.checkpoints / "1").mkdir(parents=True)
    for file in (finished.config, finished.data):
        file.unlink()
    finished.claim(config_lib.default())
    finished.claim_data("drawn")
    assert capsys.readouterr().err.splitlines() == [
        f"note: {finished.config} is not there: the run goes on with the config as it is now",
        f"note: {finished.data} is not there: the run goes on with the data as they are now",
    ]
    for text in ("[]", "null", "{", "\udcff"):
        for file, claim in (
            (finished.config, lambda: finished.claim(config_lib.default())),
            (finished.data, lambda: finished.claim_data("drawn")),
        ):
            file.write_bytes(text.encode(errors="surrogateescape"))
            with pytest.raises(
                UserError, match=rf"{file.name} is damaged \(.*\): put back a copy, or delete it to go on"
            ):
                claim()
            file.unlink()
            claim()
