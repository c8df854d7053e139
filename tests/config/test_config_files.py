"""The files of `configs/`, with every recipe or view that they offer."""

import importlib.util
from pathlib import Path

import pytest

from jdnet_jax.config import check, keys, recipes, views
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
BY_VIEW = [path for path in CONFIGS if path.stem.startswith("rvernet")]  # their argument is a view
# MEAL's configs and recipes, which need frozen teachers, are tested in `test_meal`.
BY_RECIPE = [path for path in CONFIGS if path not in BY_VIEW and not path.stem.startswith("meal_")]
# MEAL's need blocks, and are tested in `test_meal`.
CONTROLS = [recipe for recipe in recipes.RECIPES if recipe not in (*recipes.MEAL_RECIPES, "jdnet_meal")]


def load(path: Path, *args):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.get_config(*args)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_resolves_and_says_how_it_is_run(path):
    module, config = load(path)
    check.check(config)
    assert f"python -m jdnet_jax.main --config=configs/{path.name}" in module.__doc__


@pytest.mark.parametrize("view", views.VIEWS)
@pytest.mark.parametrize("path", BY_VIEW, ids=lambda path: path.stem)
def test_every_view_resolves_and_changes_nothing_but_the_network(path, view):
    _, both = load(path)
    _, config = load(path, view)
    check.check(config)
    assert config.dataset.view == view
    assert (config.student.model == "rvernet") == (view == views.BOTH)
    changed = config_lib.differences(both.to_dict(), config.to_dict())
    assert {key.split(".")[0] for key in changed} <= {"dataset", "student"}
    assert {key for key in changed if key.startswith("dataset")} <= {"dataset.view", "dataset.options.masks"}


@pytest.mark.parametrize("recipe", CONTROLS)
@pytest.mark.parametrize("path", BY_RECIPE, ids=lambda path: path.stem)
def test_every_control_resolves_and_changes_neither_budget_nor_data(path, recipe):
    _, jdnet = load(path)
    if recipe == keys.PROBE and jdnet.student.init == "random":
        with pytest.raises(UserError, match=r"config.student.init is random: recipe probe needs pretrained weights"):
            check.check(load(path, recipe)[1])
        return
    _, control = load(path, recipe)
    check.check(control)
    changed = set(config_lib.differences(jdnet.to_dict(), control.to_dict()))
    of_teacher = {key for key in changed if key.startswith(("groups.teacher", "resolutions.teacher"))}
    own = {"augment"} if recipe == "patient" else set()
    assert {key.split(".")[0] for key in changed - of_teacher} <= {"recipe", "teachers", "losses", *own}


def test_controls():
    path = BY_RECIPE[0]
    ce = load(path, "ce")[1]
    assert len(ce.teachers) == 0
    oneway = load(path, "jdnet_oneway")[1]
    assert {loss: dict(oneway.losses[loss].routing) for loss in ("mskd", "ial")} == {
        "mskd": {"teacher": 0.0},
        "ial": {"teacher": 0.0},
    }
    dml = load(path, "dml")[1]
    assert (dml.losses.mskd.weight, dml.losses.ial.weight, dml.losses.kl.weight) == (0, 0, 1)
    assert dml.losses.kl.routing.teacher == 1


@pytest.mark.parametrize("path", BY_RECIPE, ids=lambda path: path.stem)
def test_the_strength_of_each_teacher_can_be_changed_by_its_name(path):
    jdnet = load(path)[1]
    assert {loss: jdnet.losses[loss].routing.teacher for loss in keys.COUPLINGS} == dict.fromkeys(keys.COUPLINGS, 0.1)
