import pytest

from jdnet_jax.config import check, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError


def meal(recipe="meal", **changes):
    config = config_lib.default()
    config.teachers = {name: config_lib.teacher("resnet_tiny", init="runs/x", trainable=False) for name in "ab"}
    config = recipes.apply_recipe(config, recipe)
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


@pytest.mark.parametrize(
    ("recipe", "mode", "selection"),
    [
        ("meal", "reversal", "random"),
        ("meal_none", "none", "random"),
        ("meal_joint", "joint", "random"),
        ("meal_alternate", "alternate", "random"),
        ("meal_v2", "reversal", "mean"),
    ],
)
def test_meals_recipes_have_frozen_teachers_and_no_labels(recipe, mode, selection):
    config = meal(recipe)
    check.check(config)
    assert {name for name, entry in config.losses.items() if entry.weight} == {"similarity", "adversarial"}
    assert (config.losses.adversarial.options.mode, config.teacher_selection) == (mode, selection)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses__ce__weight": 1.0}, "config.recipe is 'meal', but its teachers, weights or routing are not"),
        ({"losses__adversarial__options__mode": "joint"}, "config.recipe is 'meal', but its"),
        ({"losses__adversarial__options__mode": "revers"}, "config.losses.adversarial.options.mode: unknown value"),
        ({"losses__similarity__options__distance": "l3"}, "config.losses.similarity.options.distance: unknown value"),
        ({"teacher_selection": "any"}, "config.teacher_selection: unknown value 'any'"),
        ({"teachers__a__trainable": True}, "config.recipe is 'meal', but its teachers"),
        ({"blocks__lengths": (4, 0)}, "config.blocks.lengths is 0: it must be a whole number from 1 to"),
        ({"blocks__pool": "mean"}, "config.blocks.pool: unknown value 'mean'"),
        (
            {"losses__similarity__options__gammas": (1.0, 2.0)},
            "config.losses.similarity.options.gammas is (1.0, 2.0): it must be empty, or one number not negative for "
            "each of the 1 blocks (config.blocks.lengths, then the logits)",
        ),
        ({"losses__adversarial__options__etas": (-1.0,)}, "config.losses.adversarial.options.etas is -1.0"),
        (
            {"losses__adversarial__options__divisors": (2,)},
            "config.losses.adversarial.options.divisors is (2,): it must be a tuple of 2",
        ),
        (
            {"losses__mskd__weight": 1.0},
            "config.losses.mskd.weight has no teacher: with config.teacher_sel",
        ),
    ],
)
def test_impossible_values_of_meal_name_their_key(change, message):
    with pytest.raises(UserError) as error:
        check.check(meal(**change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_meals_terms_need_a_frozen_teacher():
    config = config_lib.default()
    config.losses.similarity.weight = 1.0
    with pytest.raises(
        UserError, match=r"^config.losses.similarity.weight needs a frozen teacher: set config.teachers"
    ):
        check.check(config)


def test_stages_of_a_network_that_does_not_exist():
    config = meal()
    config.blocks.stages = {"c": (0,)}
    with pytest.raises(UserError, match=r"^config.blocks.stages.c: unknown network 'c'; known: student, a, b$"):
        check.check(config)


def test_faithful_discriminators_have_the_students_learning_rate():
    config = meal()
    config.groups = {"discriminators": {"schedule": {"learning_rate": 1e-5}}}
    assert config_lib.group_settings(config, "discriminators")["schedule"]["learning_rate"] == 1e-5
    config.losses.adversarial.options.faithful = True
    check.check(config)
    assert config_lib.group_settings(config, "discriminators")["schedule"]["learning_rate"] == 1e-3
    config.groups.student = {"schedule": {"learning_rate": 0.5}}
    assert config_lib.group_settings(config, "discriminators")["schedule"]["learning_rate"] == 0.5


def test_the_controls_leave_meals_terms_out():
    config = recipes.apply_recipe(meal(), "kd")
    check.check(config)
    assert config.losses.similarity.weight == config.losses.adversarial.weight == 0
    assert config.teacher_selection == "all"
