"""The whole loop with a teacher that is trained first: the same bits as by two commands, and nothing twice."""

import json
import shutil
import signal

import pytest

from jdnet_jax import train
from jdnet_jax.config import recipes, teachers_first
from jdnet_jax.files import checksums
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.interruption import Interrupted
from jdnet_jax.run.recorder import Recorder
from jdnet_jax.run.workdir import Workdir
from tests import tiny_recipe as tiny
from tests.killed_run import train_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prepared_data")]


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
    """The second one of the two: the first is a run of its own."""
    workdir, _ = one_command
    config = small_run()
    config.teachers.teacher.init = str(workdir / "teachers" / "teacher")
    train.train_and_evaluate(config, tmp_path)
    assert sha256(tmp_path) == sha256(workdir)
    assert not (tmp_path / "teachers").exists()


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


def test_a_run_that_has_saved_a_step_goes_on_without_its_teachers_folder(one_command, tmp_path, capsys):
    """Its checkpoint has all of a teacher that learns on."""
    workdir, _ = one_command
    run = tmp_path / "run"
    shutil.copytree(workdir, run)
    (run / "summary.json").unlink()  # its networks are tested again
    shutil.rmtree(run / "teachers")
    train.train_and_evaluate(small_run(), run)
    assert "is trained alone" not in capsys.readouterr().err
    assert sha256(run) == sha256(workdir)
    assert not (run / "teachers").exists()


def test_a_teacher_that_lost_its_student_is_named(one_command, tmp_path):
    workdir, _ = one_command
    shutil.copytree(workdir / "teachers", tmp_path / "teachers")
    shutil.rmtree(tmp_path / "teachers" / "teacher" / "student")
    with pytest.raises(UserError, match="teachers/teacher/student is missing: put back a copy, or delete"):
        train.train_and_evaluate(small_run(), tmp_path)


def test_a_teacher_of_other_data_is_not_taken(one_command, tmp_path):
    workdir, _ = one_command
    config = small_run()
    config.dataset.options.counts = (64, 24, 40)
    other = teachers_first.of_teacher(config, "teacher")
    train.train_and_evaluate(other, tmp_path / "teachers" / "teacher")
    place = Workdir(tmp_path / "teachers" / "teacher")  # as if the files of the same folder had changed since
    place.config.write_bytes((workdir / "teachers" / "teacher" / "config.json").read_bytes())
    (place.path / checksums.NAME).unlink()
    with pytest.raises(UserError, match=r"teachers/teacher was trained on other data \(.* test 40 "):
        train.train_and_evaluate(small_run(), tmp_path)


def test_a_signal_at_the_end_of_the_teachers_training_ends_the_run(one_command, tmp_path, monkeypatch):
    """It comes while the last step is evaluated, when nothing of the teacher's run looks for it any more."""
    workdir, _ = one_command
    evaluate, steps = Recorder.evaluate, []

    def interrupted(self, writer, number, state):
        if number == 2 and not steps:
            steps.append(number)
            signal.raise_signal(signal.SIGTERM)
        return evaluate(self, writer, number, state)

    monkeypatch.setattr(Recorder, "evaluate", interrupted)
    with pytest.raises(Interrupted, match="interrupted: teacher is trained, the same command goes on with the student"):
        train.train_and_evaluate(small_run(), tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    train.train_and_evaluate(small_run(), tmp_path)
    assert sha256(tmp_path) == sha256(workdir)


def test_a_mistake_in_the_students_data_is_found_before_the_teacher_is_trained(tmp_path):
    config = small_run(dataset__unlabelled=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"dataset.unlabelled=.*nowhere' is not a folder"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run" / "teachers").exists()
