"""The whole loop with a teacher that is trained first: the same bits as by two commands, and nothing twice."""

import json

import pytest

from jdnet_jax import train
from jdnet_jax.config import recipes, teachers_first
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir
from tests import tiny_recipe as tiny
from tests.killed_run import train_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _prepared_data(small_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", small_data)
        yield


def small_run(recipe="jdnet_trained", **changes):
    config = tiny.config(**changes)
    config.dataset.options = {"counts": (64, 24, 41)}
    config.crop_fraction, config.snapshots = 1.0, 0
    config.steps, config.eval_every, config.log_every = 4, 2, 2
    config.teachers.teacher.before = {"steps": 2, "schedule": {"learning_rate": 2e-3}}
    return recipes.apply_recipe(config, recipe)


def sha256(workdir):
    return Workdir(workdir).finished()["student"]["sha256"]


@pytest.fixture(scope="module")
def one_command(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "one"
    return workdir, train.train_and_evaluate(small_run(), workdir, "the command")


def test_two_commands_have_the_same_bits(one_command, tmp_path):
    workdir, _ = one_command
    alone = teachers_first.of_teacher(small_run(), "teacher")
    train.train_and_evaluate(alone, tmp_path / "teacher")
    config = small_run()
    config.teachers.teacher.init = str(tmp_path / "teacher")
    train.train_and_evaluate(config, tmp_path / "both")
    assert sha256(tmp_path / "teacher") == sha256(workdir / "teachers" / "teacher")
    assert sha256(tmp_path / "both") == sha256(workdir)
    assert not (tmp_path / "both" / "teachers").exists()


def test_the_teacher_is_a_run_of_its_own(one_command):
    workdir, summary = one_command
    teacher = Workdir(workdir / "teachers" / "teacher").finished()
    assert (teacher["recipe"], teacher["steps"], teacher["teachers"]) == ("ce", 2, {})
    assert teacher["student"]["params"] == summary["teachers"]["teacher"]["params"]
    assert (summary["recipe"], summary["steps"]) == ("jdnet_trained", 4)
    # The run keeps the config that it was given, so that the same command continues it from any folder.
    assert json.loads((workdir / "config.json").read_text())["teachers"]["teacher"]["init"] == "random"


def test_the_student_begins_beside_the_trained_teacher(one_command):
    workdir, _ = one_command
    first = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[0])
    trained = Workdir(workdir / "teachers" / "teacher").finished()["student"]["val"]["top1"]
    assert (first["step"], first["val/teacher/top1"]) == (0, pytest.approx(trained))


def test_an_end_in_either_training_loses_nothing(one_command, tmp_path, capsys):
    workdir, _ = one_command
    train_until(2, small_run(), tmp_path)  # the teacher's last step, which is not saved yet
    assert not (tmp_path / "checkpoints").exists()
    train_until(4, small_run(), tmp_path)
    assert "first teacher, resnet_tiny, is trained alone" in capsys.readouterr().err
    before = (tmp_path / "teachers" / "teacher" / "summary.json").read_bytes()
    train.train_and_evaluate(small_run(), tmp_path)
    assert "is trained alone" not in capsys.readouterr().err
    assert (tmp_path / "teachers" / "teacher" / "summary.json").read_bytes() == before
    assert sha256(tmp_path) == sha256(workdir)


def test_a_frozen_teacher_is_trained_first_too(one_command, tmp_path):
    workdir, _ = one_command
    summary = train.train_and_evaluate(small_run("kd"), tmp_path)
    assert sha256(tmp_path / "teachers" / "teacher") == sha256(workdir / "teachers" / "teacher")
    trained = Workdir(tmp_path / "teachers" / "teacher").finished()["student"]
    for figure in ("loss", "top1", "macro_f1"):
        assert summary["teachers"]["teacher"]["test"][figure] == pytest.approx(trained["test"][figure])


def test_a_teacher_that_was_trained_otherwise_is_not_taken(tmp_path):
    train_until(2, small_run(), tmp_path)
    train.train_and_evaluate(teachers_first.of_teacher(small_run(), "teacher"), tmp_path / "teachers" / "teacher")
    config = small_run()
    config.teachers.teacher.before.steps = 3
    with pytest.raises(UserError, match=r"teachers/teacher belongs to a run of another config, .* steps"):
        train.train_and_evaluate(config, tmp_path)
