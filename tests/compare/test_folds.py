"""Cross-validation: its table by hand, and the command."""

import json
import signal

import numpy as np
import pytest

from jdnet_jax.compare import folds, results
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.files import array_file
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir
from tests import forked
from tests.commands import command, interrupted, last_line
from tests.compare import runs
from tests.data.test_image_folder import make_classes


def config(**options):
    made = recipes.apply_recipe(config_lib.default(), "jdnet")
    made.dataset.name, made.dataset.options = "image_folder", {"val_fraction": 0.1, **options}
    return made


def finished(folder, fold, confusion, teacher, digest="abc"):
    """A fold as its run leaves it: the student's confusion matrix and the teacher's."""
    place = Workdir(folder / f"fold-{fold}")
    confusion, teacher = np.array(confusion), np.array(teacher)
    hits = np.arange(confusion.sum()) < np.trace(confusion)
    top1 = np.trace(teacher) / teacher.sum()
    runs.finish(place, config(folds=2, fold=fold), hits, teachers=(("teacher", top1),))
    arrays = array_file.read(place.evaluation, "")
    array_file.write(place.evaluation, {**arrays, "confusion/student": confusion, "confusion/teacher": teacher})
    summary = json.loads(place.summary.read_text())
    summary["protocol"] = f"image_folder/fold{fold}of2_val0.1_test0.2_seed0_{digest}/1.1.0: train 9"
    place.summary.write_text(json.dumps(summary))
    return results.read(place)


def test_the_table_by_hand(tmp_path):
    there = [
        finished(tmp_path, 0, [[3, 1], [0, 4]], [[4, 0], [0, 4]]),
        finished(tmp_path, 1, [[2, 0], [2, 0]], [[2, 0], [0, 2]]),
    ]
    found = folds.pooled(there)
    assert [row["count"] for row in found["folds"]] == [8, 4]
    assert found["count"] == 12
    student = found["networks"]["student"]
    assert student["top1"] == 9 / 12  # 7 of 8 and 2 of 4
    # The sum is [[5, 1], [2, 4]]: F1 is 2 x 5 / (7 + 6) and 2 x 4 / (5 + 6).
    assert student["macro_f1"] == pytest.approx((10 / 13 + 8 / 11) / 2)
    assert student["top1_interval"] == pytest.approx([0.468, 0.911], abs=1e-3)
    assert found["networks"]["teacher"]["top1"] == 1.0
    lines = folds.markdown(found, 3, ["fold-2 (not begun)"]).splitlines()
    assert (
        lines[0] == "| fold | test photos | student: top-1 | student: macro-F1 | teacher: top-1 | teacher: macro-F1 |"
    )
    assert lines[2].startswith("| 0 | 8 | 87.5 % of 8 (53 to 98) | ")
    assert lines[4].startswith("| all | 12 | 75 % of 12 (47 to 91) | 0.748 | 100 % of 12 (76 to 100) | ")
    assert "The students had 50 to 87.5 %." in lines[6]
    assert lines[7] == "- missing: fold-2 (not begun)"


def test_folds_of_other_photos_are_refused(tmp_path):
    there = [
        finished(tmp_path, fold, [[1, 0], [0, 1]], [[1, 0], [0, 1]], digest=name)
        for fold, name in enumerate(("a", "b"))
    ]
    with pytest.raises(
        UserError, match=r"fold-1 was trained on other photos than .*fold-0: delete the folds that were"
    ):
        folds.pooled(there)


def test_each_fold_is_the_config_with_its_test(tmp_path):
    made = folds.make(config(split_seed=3), 3, tmp_path)
    assert [run.name for run in made] == ["fold-0", "fold-1", "fold-2"]
    expected = {"val_fraction": 0.1, "split_seed": 3, "folds": 3}
    assert [run.config.dataset.options.to_dict() for run in made] == [{**expected, "fold": fold} for fold in range(3)]
    other = config()
    other.dataset.name = "food101"
    with pytest.raises(UserError, match=r"config.dataset.name is 'food101': use 'image_folder'"):
        folds.make(other, 3, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="is the folder of one run: name another for the folds"):
        folds.make(config(), 3, tmp_path)


def test_a_teacher_that_saw_the_photos_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run, theirs, mine = tmp_path / "teacher", config(), config()
    (run / "student").mkdir(parents=True)
    theirs.dataset.data_dir = str(tmp_path / "photos")
    (run / "config.json").write_text(json.dumps(theirs.to_dict()))
    for init in (run, run / "student", "~/teacher", {"roi": str(run), "context": "random"}):
        mine.dataset.data_dir = "~/photos" if init == run else str(tmp_path / "photos" / ".")
        with mine.teachers.teacher.ignore_type():
            mine.teachers.teacher.init = init if isinstance(init, dict) else str(init)
        with pytest.raises(UserError, match=r"--folds: teacher begins with .*, which was trained on these photos"):
            folds.make(mine, 2, tmp_path / "folds")
    mine.dataset.data_dir = str(tmp_path / "other photos")
    assert len(folds.make(mine, 2, tmp_path / "folds")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds=1"], "error: --folds=1: the photos are divided into 2 parts or more; 5 is usual"),
        (["--folds=5", "--processes=2"], "error: --folds trains in separate processes"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    result = command("main", "--config=image_folder", "--config.dataset.data_dir=photos", *arguments)
    assert result.returncode == 2
    assert last_line(result).startswith(message)


SMALL = (
    "--config.image_size=32",
    "--config.batch_size=8",
    "--config.steps=2",
    "--config.student.model=resnet_tiny",
    "--config.student.init=random",
)


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_ended(tmp_path):
    photos, work = make_classes(tmp_path / "photos", a=6, b=6), tmp_path / "run"
    arguments = ("--config=image_folder:ce", f"--config.dataset.data_dir={photos}", *SMALL, "--folds=2")
    environment = {"TFDS_DATA_DIR": str(tmp_path / "tfds"), forked.CHILDREN: str(forked.script(tmp_path / "python"))}
    arguments += (f"--workdir={work}",)
    interrupted("fold-1: started", signal.SIGTERM, "jdnet_jax.main", *arguments, fresh=False, **environment)
    before = (work / "fold-0" / "summary.json").read_bytes()
    assert json.loads((work / "folds.json").read_text())["missing"][0].startswith("fold-1 (")
    result = command("main", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    assert "1 of 2 runs are finished already" in result.stderr
    assert (work / "fold-0" / "summary.json").read_bytes() == before
    found = json.loads((work / "folds.json").read_text())
    assert (found["count"], [row["count"] for row in found["folds"]], found["missing"]) == (12, [6, 6], [])
    assert (work / "folds.md").read_text() == result.stdout
