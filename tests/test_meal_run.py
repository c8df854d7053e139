"""MEAL beside JDNet, one teacher that learns and three frozen ones, as a whole run: what it leaves, how it goes on."""

import json

import jax
import pytest

from jdnet_jax import train
from jdnet_jax.data.synthetic_meals import CLASS_NAMES
from jdnet_jax.process.errors import UserError
from jdnet_jax.run import metrics
from tests import tiny_recipe as tiny
from tests import tiny_student, tiny_teachers
from tests.killed_run import train_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prepared_data")]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    return tiny_teachers.save(tmp_path_factory.mktemp("teachers"), CLASS_NAMES)


def config_of(teachers):
    config = tiny.meal_config(teachers, "jdnet_meal")
    config.dataset.options = {"counts": (64, 24, 41)}
    config.crop_fraction = 1.0
    config.steps, config.eval_every, config.log_every = 6, 3, 2
    config.snapshots = 0  # each network's maps are one more function to compile; `test_train` has them
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory, teachers):
    """(workdir, summary) of a run that was never touched."""
    workdir = tmp_path_factory.mktemp("untouched")
    return workdir, train.train_and_evaluate(config_of(teachers), workdir)


def test_the_ensemble_itself_is_tested_with_its_cost(finished):
    _, summary = finished
    together, entries = summary["ensemble"], summary["teachers"]
    assert together["teachers"] == ["a", "b", "c"]
    assert set(entries) == {"teacher", "a", "b", "c"}
    for key in ("params", "multiply_adds"):
        assert together[key] == sum(entries[name][key] for name in "abc") > summary["student"][key] > 0
    assert (together["val"]["count"], together["test"]["count"]) == (24, 41)


def test_frozen_teachers_are_evaluated_once_and_the_accuracy_of_discriminators_is_logged(finished):
    lines = {line["step"]: line for line in metrics.read(finished[0] / "metrics.jsonl")}
    assert {"val/a/top1", "val/ensemble/top1", "val/student/top1"} <= set(lines[0])
    assert {"val/teacher/top1", "val/student/top1"} <= set(lines[6])
    assert not any(name.startswith(("val/a", "val/ensemble")) for name in lines[6])
    assert 0 <= lines[6]["accuracy/adversarial_ensemble"] <= 1


def test_checkpoints_have_no_frozen_teacher(finished):
    [metadata] = (finished[0] / "checkpoints" / "6").glob("default/_METADATA")
    tree = json.loads(metadata.read_text())["tree_metadata"]
    keys = [tuple(part["key"] for part in leaf["key_metadata"]) for leaf in tree.values()]
    assert {key[1] for key in keys if key[0] == "params"} == {"student", "teacher", "adapters", "discriminators"}
    assert not {key[1] for key in keys if key[0] == "batch_stats"} & {"a", "b", "c"}


def test_an_interrupted_run_ends_with_the_same_bits_if_its_teachers_are_the_same(
    finished, teachers, tmp_path, monkeypatch
):
    train_until(4, config_of(teachers), tmp_path)
    folder, variables = teachers["a"][1].parent, tiny_student.variables
    with monkeypatch.context() as patch:
        patch.setattr(tiny_student, "variables", lambda card: jax.tree.map(lambda leaf: leaf + 1e-3, variables(card)))
        tiny_teachers.save(folder, CLASS_NAMES)
    with pytest.raises(UserError) as error:
        train.train_and_evaluate(config_of(teachers), tmp_path)
    assert str(error.value).startswith("config.teachers.a.init: the weights at ")
    assert "are not those that this run began with: put those back" in str(error.value)
    tiny_teachers.save(folder, CLASS_NAMES)
    resumed = train.train_and_evaluate(config_of(teachers), tmp_path)
    assert resumed["student"]["sha256"] == finished[1]["student"]["sha256"]
    assert resumed["ensemble"] == finished[1]["ensemble"]
