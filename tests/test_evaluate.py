"""The command, on a hand-off that was never trained."""

import json

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.data.synthetic_meals import CLASS_NAMES
from jdnet_jax.figures import intervals, rejection
from jdnet_jax.run.workdir import Workdir
from tests import tiny_student
from tests.commands import SMALL, command, last_line


def evaluate(*args, **env):
    return command("evaluate", *args, **env)


@pytest.mark.slow
def test_a_folder_of_photos_as_json_and_as_a_table(tmp_path):
    student = tiny_student.save(tmp_path / "student", temperature=2.0)
    for name, count in (("egg", 2), ("fig", 1)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            image = np.full((40, 60, 3), 80 * number, np.uint8)
            Image.fromarray(image).save(tmp_path / "photos" / name / f"{number}.png")
    args = [f"--model={student}", f"--photos={tmp_path / 'photos'}", "--perturb=translocation:4,-4,noise:0"]
    result = evaluate(*args, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert {"top1", "top5", "macro_f1", "ece", "nll"} <= set(found)
    assert (found["count"], found["temperature"], found["split"]) == (3, 2.0, None)
    assert found["top1_interval"] == list(intervals.wilson(round(3 * found["top1"]), 3))
    assert [entry["class"] for entry in found["per_class"]] == list(tiny_student.CLASSES)
    assert [entry["count"] for entry in found["per_class"]] == [0, 0, 0, 0, 2, 1, 0]
    assert found["per_class"][0]["recall"] is None
    assert [entry["perturbation"] for entry in found["perturbed"]] == ["translocation:4,-4", "noise:0"]
    assert found["perturbed"][1]["lost"]["intervals"] == {"top1": [0.0, 0.0], "macro_f1": [0.0, 0.0]}
    assert (found["perturb_seed"], found["bootstrap"]["drawings"], found["only_classes"]) == (0, 1000, None)
    # Only one of the classes, by its photos' accuracy.
    result = evaluate(*args[:2], "--classes=egg", "--bootstrap=10")
    assert f"top-1 {intervals.share(found['per_class'][4]['recall'], 2)}   top-5" in result.stdout, result.stderr
    assert "only photos of egg" in result.stdout
    assert "in brackets the 95 % intervals over 10 drawings of the photos" in result.stdout
    assert found["not_sure"] is None
    table = evaluate(*args).stdout
    assert "not sure" not in table
    assert f"top-1 {intervals.share(found['top1'], 3)}   top-5" in table
    assert f"expected calibration error {found['ece']:.4f}" in table
    assert "resnet_tiny, flax float32, 32 px" in table


@pytest.mark.slow
def test_a_student_with_a_threshold_says_what_it_turns_away(tmp_path):
    """The same in the table, as JSON and by `predict`, photo by photo."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "egg").mkdir(parents=True)
    for number in range(6):
        image = rng.integers(0, 256, (40, 60, 3), np.uint8) // (number + 1)
        Image.fromarray(image).save(tmp_path / "photos" / "egg" / f"{number}.png")
    plain = tiny_student.save(tmp_path / "plain")
    answers = command("predict", f"--model={plain}", str(tmp_path / "photos"), "--json").stdout.splitlines()
    sure = sorted(json.loads(line)["top"][0]["probability"] for line in answers)
    below = round((sure[1] + sure[2]) / 2, 6)
    assert sure[1] < below < sure[2]
    student = tiny_student.save(tmp_path / "student", not_sure_below=below)
    answers = command("predict", f"--model={student}", str(tmp_path / "photos"), "--json").stdout.splitlines()
    assert [json.loads(line)["sure"] for line in answers].count(False) == 2
    args = (f"--model={student}", f"--photos={tmp_path / 'photos'}")
    found = json.loads(evaluate(*args, "--json").stdout)["not_sure"]
    assert (found["below"], found["count"], found["turned_away"]) == (below, 6, 2)
    said = f"  not sure below {rejection.limit(below)}: it rejects {intervals.share(2 / 6, 6)}, "
    assert said in evaluate(*args).stdout


@pytest.mark.slow
def test_a_dataset_of_other_labels_is_refused(tmp_path, small_data):
    student = tiny_student.save(tmp_path / "student")
    result = evaluate(f"--model={student}", *SMALL, TFDS_DATA_DIR=small_data)
    assert result.returncode == 2
    assert last_line(result).startswith("error: the 12 labels of synthetic_meals are not the 7 classes of the model")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_workdir_says_where_its_photos_are(tmp_path, small_data):
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41)}
    Workdir(tmp_path).claim(config)
    tiny_student.save(tmp_path / "student", classes=tuple(CLASS_NAMES))
    result = evaluate(f"--model={tmp_path}", "--split=val", "--json", fresh=True, TFDS_DATA_DIR=small_data)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["count"], found["split"]) == (24, "val")
    # The student's card tells of no such data.
    assert result.stderr == f"note: {tmp_path} was trained on other data than this: drawn at random\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: --model is missing"),
        (["runs/demo"], "error: unexpected argument 'runs/demo': name the model as --model=runs/demo"),
        (["--model=m", "--photos=p", "--split=val"], "error: --photos replaces the dataset"),
        (["--model=m", "--photos=p", SMALL[0]], "error: --photos replaces the dataset"),
        (["--model=m", "--split=all"], "error: flag --split=all"),
        (["--model=m", "--perturb=blurr:1"], "error: --perturb=blurr:1: unknown perturbation 'blurr'; did you mean"),
        (["--model=m", "--perturb_on=roi"], "error: --perturb_on says how to perturb, but not what: give --perturb"),
        (["--model=README.md"], "error: --model=README.md is not a workdir, so it does not say where its photos are"),
    ],
)
def test_a_command_that_is_not_whole_is_one_line(args, message):
    result = evaluate(*args)
    assert result.returncode == 2
    assert last_line(result).startswith(message)
    assert "Traceback" not in result.stderr
