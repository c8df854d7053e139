"""Which teachers are trained first, and as what."""

import pytest

from jdnet_jax.config import check, default, recipes, teacher, teachers_first
from jdnet_jax.config.defaults import differences
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import plain
from tests.test_configs import config_of


def with_recipe(recipe, init="random", before=None):
    config = default()
    config.teachers = {"teacher": teacher("resnet50", init, before=before)}
    return recipes.apply_recipe(config, recipe)


@pytest.mark.parametrize("recipe", [name for name in recipes.TRAINED_BEFORE if not name.startswith("meal")])
@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("random", ["teacher"]),
        ("imagenet", ["teacher"]),
        ("timm/resnet50.a1_in1k", ["teacher"]),
        ("runs/teacher", []),
        ("hf-hub:timm/resnet50.a1_in1k", ["teacher"]),
        ("hf-hub:owner/student", []),
        ({"roi": "runs/roi", "context": "imagenet"}, ["teacher"]),  # what joins them is new
    ],
)
def test_a_recipe_that_needs_a_trained_teacher_has_it_trained_unless_init_names_one(recipe, init, expected):
    config = with_recipe(recipe, init=init)
    assert teachers_first.untrained(config) == expected
    assert teachers_first.untrained(plain(config)) == expected


@pytest.mark.parametrize("recipe", ["jdnet", "dml", "jdnet_oneway", "ce", "probe"])
def test_teachers_that_learn_beside_the_student_are_not(recipe):
    assert teachers_first.untrained(with_recipe(recipe)) == []


def test_weights_of_imagenet_are_trained_ones_for_imagenets_classes_alone():
    config = with_recipe("kd", init="imagenet")
    config.dataset.name = "imagenet2012"
    assert teachers_first.untrained(config) == []
    config.dataset.name = "imagenette"  # ten of the classes
    assert teachers_first.untrained(config) == ["teacher"]
    config.dataset.name, config.teachers.teacher.init = "imagenet2012", "random"
    assert teachers_first.untrained(config) == ["teacher"]


def test_only_the_frozen_teachers_of_a_config_that_mixes_them():
    config = default()
    config.teachers.second = config.teachers.teacher.copy_and_resolve_references()
    config.teachers.second.trainable = False
    config = recipes.apply_recipe(config, "jdnet_meal")
    assert teachers_first.untrained(config) == ["second"]


def test_the_teacher_alone_has_the_budget_of_the_config_and_nothing_of_its_recipe():
    config = default()
    config.steps, config.probe, config.gradient_report = 7, True, 3
    config.losses.ce.weight = 0.0
    config.dataset.unlabelled = "photos"
    config.resolutions = {"teacher": 32, "student": 64}
    config.groups = {"student": {"schedule": {"learning_rate": 0.1}}, "teacher": {"schedule": {"learning_rate": 1e-4}}}
    config.teachers.teacher.options = {"drop_rate": 0.1}
    config = recipes.apply_recipe(config, "jdnet_trained")
    alone = teachers_first.of_teacher(config, "teacher")
    check.check(alone)
    assert (alone.recipe, len(alone.teachers), alone.steps, alone.losses.ce.weight) == ("ce", 0, 7, 1.0)
    assert alone.student.to_dict() == {"model": "resnet50", "init": "random", "options": {"drop_rate": 0.1}}
    assert (alone.resolutions.to_dict(), alone.groups.to_dict()) == ({"student": 32}, {})
    assert (alone.dataset.unlabelled, alone.probe, alone.gradient_report) == ("", False, 0)
    assert config.dataset.unlabelled == "photos"  # the config itself stays


@pytest.mark.parametrize("name", ["food101_64", "grocery", "deit_food101", "demo"])
def test_all_recipes_of_a_config_have_the_same_teacher(name):
    """So that they share it, in `compare` and by hand; `deit_food101` mixes photos, and `patient` does it otherwise."""
    configs = {recipe: config_of(name, recipe) for recipe in recipes.TRAINED_BEFORE if not recipe.startswith("meal")}
    alone = {recipe: plain(teachers_first.of_teacher(config, "teacher")) for recipe, config in configs.items()}
    for recipe, one in alone.items():
        assert not differences(one, alone["kd"]), recipe
    assert alone["patient"]["augment"] == plain(configs["kd"].augment)
    assert configs["patient"].augment.mixup == 1.0


def test_the_weights_of_a_recipe_s_terms_may_change_after_the_teacher_is_trained():
    before, after = with_recipe("kd"), with_recipe("kd")
    after.losses.kl.weight, after.losses.kl.options.temperature = 2.0, 1.0
    assert plain(teachers_first.of_teacher(before, "teacher")) == plain(teachers_first.of_teacher(after, "teacher"))


def test_a_teacher_learns_from_labels_whatever_the_student_learns_from():
    config = with_recipe("kd")
    config.losses.ce.weight, config.losses.ce.routing = 0.5, {"student": 0.0}  # the student from the teacher alone
    check.check(config)
    ce = teachers_first.of_teacher(config, "teacher").losses.ce
    assert (ce.weight, ce.routing.to_dict()) == (1.0, {})


def test_two_teachers_that_are_alike_are_two():
    config = default()
    config.teachers = {name: teacher("resnet18") for name in "ab"}
    config.seed = 2**32 - 1
    config = recipes.apply_recipe(config, "kd")
    seeds = [teachers_first.of_teacher(config, name).seed for name in "ab"]
    assert seeds == [2**32 - 1, 1_000_002]
    config.teachers.b.before = {"seed": 7}
    assert teachers_first.of_teacher(config, "b").seed == 7


def test_values_that_differ_before():
    before = {
        "epochs": 20,
        "optimizer": {"name": "sgd"},
        "groups": {"student/head": {"schedule": {"learning_rate": 0.5}}},
    }
    config = with_recipe("jdnet_trained", before=before)
    check.check(config)
    alone = teachers_first.of_teacher(config, "teacher")
    assert (alone.epochs, alone.optimizer.name, alone.optimizer.weight_decay) == (20.0, "sgd", 0.01)
    assert alone.groups["student/head"].schedule.learning_rate == 0.5
    assert (config.epochs, config.optimizer.name) == (10.0, "adamw")


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({"epocs": 20.0}, "config.teachers.teacher.before: config.epocs: unknown key 'epocs'; did you mean"),
        ({"epochs": -1.0}, "config.teachers.teacher.before: config.epochs is -1.0: it must be"),
        (
            {"optimizer": {"name": "lion"}},
            "config.teachers.teacher.before: config.optimizer.name: unknown value 'lion'",
        ),
        ({"epochs": "many"}, "config.teachers.teacher.before.epochs is 'many': it must be a value of type float"),
        ({"optimizer": 3}, "config.teachers.teacher.before.optimizer is 3: it must be a section"),
        ({"student": {"model": "resnet18"}}, "config.teachers.teacher.before.student: the teacher is trained on the"),
        (
            {"dataset": {"name": "cifar10"}},
            "config.teachers.teacher.before.dataset: the teacher is trained on the same",
        ),
    ],
)
@pytest.mark.parametrize("recipe", ["kd", "jdnet"])
def test_values_that_cannot_be(before, message, recipe):
    with pytest.raises(UserError) as error:
        check.check(with_recipe(recipe, before=before))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "recipe", "expected"),
    [
        ("food101_64", "", (20.0, "adamw", 1.6e-2)),
        ("grocery", "", (10.0, "adamw", 1e-3)),
        ("image_folder", "", (20.0, "adamw", 1e-3)),
        ("food101", "", (120.0, "sgd", 0.8)),
        ("food101", "kd,pair=siglip_b-mobilenetv4_conv_medium", (120.0, "adamw", 3e-5)),
        ("deit_demo", "", (16.0, "adamw", 4e-3)),
        ("deit_food101", "deit_soft", (300.0, "sgd", 0.4)),
    ],
)
def test_the_teachers_of_the_configs(name, recipe, expected):
    config = config_of(name, recipe) if recipe else config_of(name)
    assert teachers_first.untrained(config) == ["teacher"]
    alone = teachers_first.of_teacher(config, "teacher")
    check.check(alone)
    assert (alone.epochs, alone.optimizer.name, alone.schedule.learning_rate) == expected
    assert alone.student.model == config.teachers.teacher.model
