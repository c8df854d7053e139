import importlib.util
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jdnet_jax.config import check, keys, recipes, views
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.losses import ial, mskd, schedule
from jdnet_jax.process.errors import UserError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
BY_VIEW = [path for path in CONFIGS if path.stem.startswith("rvernet")]  # their argument is a view
# MEAL's configs and recipes, which need frozen teachers, are tested in `test_meal`.
BY_RECIPE = [path for path in CONFIGS if path not in BY_VIEW and not path.stem.startswith("meal_")]
# Recipes that a config as it stands can run: the others need a teacher that is trained.
CONTROLS = [recipe for recipe in recipes.RECIPES if recipe not in (*recipes.TRAINED_BEFORE, "jdnet_meal")]


def load(path: Path, *args):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.get_config(*args)


def wrong(**changes) -> ConfigDict:
    config = config_lib.default()
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


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
    assert {key.split(".")[0] for key in changed - {"resolutions.teacher"}} <= {"recipe", "teachers", "losses"}


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


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("jdnet", {"losses.mskd.weight": 0.0}),
        ("jdnet", {"losses.ial.weight": 0.0}),
        ("ce", {"teachers": {"teacher": config_lib.teacher("resnet50")}}),
        ("jdnet_oneway", {"losses.kl.routing": {"teacher": 1.0}}),
        ("jdnet-mskd", {"losses.mskd.weight": 1.0}),
        ("jdnet-ial", {"losses.ial.weight": 1.0}),
        ("dml", {"losses.mskd.weight": 1.0}),
        ("dml", {"teachers": {"teacher": config_lib.teacher("resnet50", trainable=False)}}),
        ("kd", {"losses.ial.weight": 1.0}),
        ("jdnet", {"losses.distill.weight": 1.0}),
        ("deit_hard", {"losses.ce.weight": 1.0}),
        ("deit_hard", {"losses.distill.options.variant": "soft"}),
        ("deit_soft", {"teachers": {"teacher": config_lib.teacher("resnet50", init="runs/teacher")}}),
        ("at", {"losses.mskd.options.variant": "cosine"}),
        ("at", {"losses.kl.weight": 1.0}),
        ("at", {"teachers": {"teacher": config_lib.teacher("resnet50", init="runs/teacher")}}),
        ("fitnet", {"losses.mskd.options.stages": (0, 1)}),
        ("fitnet", {"losses.mskd.weight": 0.0}),
        ("dist", {"losses.kl.weight": 1.0}),
        ("dist", {"losses.dist.weight": 0.0}),
        ("dist", {"teachers": {"teacher": config_lib.teacher("resnet50", init="runs/teacher")}}),
        ("kd", {"losses.dist.weight": 1.0}),
        ("patient", {"losses.ce.weight": 1.0}),
        ("patient", {"augment.mixup": 0.0}),
        ("patient", {"augment.mix_probability": 0.5}),
        ("patient", {"augment.cutmix": 1.0}),
        ("kd", {"teachers": {"teacher": config_lib.teacher("resnet50", init="runs/teacher")}}),
    ],
)
def test_a_recipe_is_what_its_name_says(recipe, changes):
    config = config_lib.default()
    config.teachers.teacher.init = "runs/teacher"
    config = recipes.apply_recipe(config, recipe)
    check.check(config)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        target = config
        for part in filter(None, section.split(".")):
            target = target[part]
        target[name] = ConfigDict(value) if isinstance(value, dict) else value
    with pytest.raises(UserError, match=f"config.recipe is '{recipe}', but its teachers, weights or routing"):
        check.check(config)


def test_ce_drops_what_is_said_of_the_teachers():
    config = config_lib.default()
    config.losses.mskd.routing = {"teacher": 0.3, "adapters": 1.0}
    config.groups = {"teacher": {"schedule": {"learning_rate": 0.5}}, "student": {}}
    config.resolutions = {"teacher": 192, "student": 160}
    config = recipes.apply_recipe(config, "ce")
    check.check(config)
    assert dict(config.losses.mskd.routing) == {"adapters": 1.0}
    assert list(config.groups) == ["student"]
    assert dict(config.resolutions) == {"student": 160}


def test_a_recipe_writes_resolutions_down_so_that_flags_can_set_them():
    config = recipes.apply_recipe(config_lib.default(), "jdnet")
    assert dict(config.resolutions) == {"student": 0, "teacher": 0}


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("techer", 160, "config.resolutions.techer: unknown network 'techer'; did you mean 'teacher'?"),
        ("student", 256, "config.resolutions.student is 256, more than config.image_size = 224"),
        ("student", 0.5, "config.resolutions.student is 0.5: it must be a whole number from 0 to 2048"),
    ],
)
def test_resolutions_that_cannot_be(name, size, message):
    config = config_lib.default()
    config.resolutions = {name: size}
    with pytest.raises(UserError) as error:
        check.check(config)
    assert str(error.value).startswith(message)


def test_a_group_of_a_frozen_teacher_is_refused():
    config = config_lib.default()
    config.teachers.teacher.update(trainable=False, init="runs/x")
    config.groups = {"teacher": {}}
    with pytest.raises(UserError, match=r"config.groups.teacher is for a frozen teacher"):
        check.check(config)


@pytest.mark.parametrize("recipe", [name for name in recipes.TRAINED_BEFORE if not name.startswith("meal")])
def test_a_teacher_must_be_trained_before(recipe):
    config = recipes.apply_recipe(config_lib.default(), recipe)
    message = rf"config.teachers.teacher.init is random: recipe {recipe} needs a trained teacher"
    with pytest.raises(UserError, match=message):
        check.check(config)
    config.teachers.teacher.init = "runs/teacher"
    check.check(config)
    assert config.teachers.teacher.trainable == recipe.startswith("jdnet_trained")


@pytest.mark.parametrize(("recipe", "share"), [("deit_hard", 0.5), ("deit_soft", 0.1)])
def test_deits_distillation_replaces_cross_entropy_and_the_couplings(recipe, share):
    config = recipes.apply_recipe(config_lib.default(), recipe)
    assert {term for term, loss in config.losses.items() if loss.weight} == {"distill"}
    assert config.losses.distill.options.share == share
    assert recipe.endswith(config.losses.distill.options.variant)


def test_attention_transfer_and_the_hint_are_variants_of_mskd_alone():
    config = config_lib.default()
    config.losses.mskd.options.stages, config.losses.mskd.weight = (1, 2), 7.0
    config.losses.mskd.schedule.name = "linear"
    at, fitnet = (recipes.apply_recipe(config.copy_and_resolve_references(), name) for name in ("at", "fitnet"))
    for control in (at, fitnet):
        assert control.losses.ial.weight == control.losses.kl.weight == 0
        assert control.losses.mskd.schedule.name == "constant"
    assert (at.losses.mskd.options.variant, at.losses.mskd.options.stages) == ("attention", (1, 2))
    # 1000 times the mean over 8x8 and over 16x16 positions, as a weight on the sums over them.
    weights = [at.losses.mskd.weight * weight for weight in at.losses.mskd.options.stage_weights]
    assert weights == [1000 / 16**2, 1000 / 8**2]
    assert (fitnet.losses.mskd.options.variant, fitnet.losses.mskd.options.stages) == ("l2", (1,))
    assert fitnet.losses.mskd.weight == 7.0


def test_the_patient_recipe_has_kl_alone_on_mixtures_of_all_photos():
    config = config_lib.default()
    config.augment.update(cutmix=1.0, mix_probability=0.3)
    config.losses.kl.options.temperature = 10.0
    config = recipes.apply_recipe(config, "patient")
    assert {name for name, entry in config.losses.items() if entry.weight} == {"kl"}
    augment = config.augment
    assert (augment.mixup, augment.cutmix, augment.mix_probability) == (1.0, 0.0, 1.0)
    assert config.losses.kl.options.temperature == 10.0
    assert not config.teachers.teacher.trainable


def test_a_recipe_switches_off_the_terms_that_are_not_its_own_and_leaves_the_weights_of_its_own():
    config = config_lib.default()
    for name, entry in config.losses.items():
        entry.weight = 3.0 if name != "dist" else 0.0
    dist = recipes.apply_recipe(config.copy_and_resolve_references(), "dist")
    assert {name: entry.weight for name, entry in dist.losses.items() if entry.weight} == {"ce": 3.0, "dist": 1.0}
    jdnet = recipes.apply_recipe(config, "jdnet")
    on = {name: entry.weight for name, entry in jdnet.losses.items() if entry.weight}
    assert on == dict.fromkeys(("ce", "mskd", "ial", "kl"), 3.0)


def test_the_text_of_the_table_names_every_recipe_once():
    lines = [line.split(maxsplit=1) for line in recipes.text().splitlines()]
    assert [name for name, _ in lines] == list(recipes.RECIPES)
    assert all(what for _, what in lines)


@pytest.mark.parametrize("row", recipes.RECIPES.values(), ids=recipes.RECIPES)
def test_a_row_of_the_table_speaks_of_terms_that_exist_and_fits_into_a_page(row):
    assert set(row.terms) <= set(keys.TERMS)
    assert len(row.what) <= 100
    assert "\n" not in row.what


def test_unknown_recipe():
    with pytest.raises(UserError, match="unknown recipe 'jdnt'; did you mean 'jdnet'"):
        recipes.apply_recipe(config_lib.default(), "jdnt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "config.batch_size is 0: it must be a whole number from 1 to 131072"),
        ({"epochs": 0.0}, "config.epochs is 0 and so is config.steps: set one of them"),
        ({"grad_accum": 3}, "config.batch_size is 128, which config.grad_accum = 3 does not divide"),
        ({"compute_dtype": "float16"}, "config.compute_dtype: unknown value 'float16'; did you mean"),
        ({"keep_every": -1}, "config.keep_every is -1: it must be a whole number from 0 to 1000000000"),
        ({"on_non_finite": "rollback"}, "config.on_non_finite: unknown value 'rollback'; did you mean 'roll_back'?"),
        ({"max_skips": 0}, "config.max_skips is 0: it must be a whole number from 1 to 1000000"),
        ({"max_roll_backs": 0}, "config.max_roll_backs is 0: it must be a whole number from 1 to"),
        ({"recipe": "jdent"}, "config.recipe: unknown recipe 'jdent'; did you mean 'jdnet'"),
        ({"ema_decay": 1.0}, "config.ema_decay is 1.0: it must be a number of at least 0 and below 1"),
        ({"augment__crop_scale": (0.9, 0.1)}, "config.augment.crop_scale is (0.9, 0.1): it must be (lowest, highest)"),
        ({"losses__ce__weight": -1.0}, "config.losses.ce.weight is -1.0: it must be a number of at least 0"),
        ({"gradient_report": -1}, "config.gradient_report is -1: it must be a"),
        ({"losses__mskd__options__variant": "cos"}, "config.losses.mskd.options.variant: unknown value 'cos'"),
        ({"losses__mskd__options__stages": ()}, "config.losses.mskd.options.stages is (): it must be a tuple"),
        (
            {"losses__mskd__options__stages": (-1, 0)},
            "config.losses.mskd.options.stages is (-1, 0): it must be distinct",
        ),
        ({"losses__ial__options__temperature": 0.0}, "config.losses.ial.options.temperature is 0.0: it must be"),
        (
            {"losses__mskd__options__stage_weights": (1.0, 2.0)},
            "config.losses.mskd.options.stage_weights is (1.0, 2.0)",
        ),
        ({"losses__dist__options__beta": -1.0}, "config.losses.dist.options.beta is -1.0: it must be a number"),
        (
            {"losses__dist__options__beta": 0.0, "losses__dist__options__gamma": 0.0},
            "config.losses.dist.options.beta and gamma are 0",
        ),
        ({"losses__dist__options__temperature": 0.0}, "config.losses.dist.options.temperature is 0.0: it must be a"),
        ({"optimizer__name": "adam"}, "config.optimizer.name: unknown value 'adam'; did you mean 'adamw'"),
        ({"schedule__learning_rate": float("nan")}, "config.schedule.learning_rate is nan"),
        ({"dataset__name": ""}, "config.dataset.name is '': it must be text that is not empty"),
        ({"seed": 2**63}, "config.seed is 9223372036854775808: it must be a whole number from 0 to 4294967295"),
        ({"augment__mixup": 0.001}, "config.augment.mixup is 0.001: it must be 0 or at least 0.01"),
        ({"augment__rand_augment__magnitude": 31.0}, "config.augment.rand_augment.magnitude is 31.0: it must be a"),
        ({"augment__erasing": 2.0}, "config.augment.erasing is 2.0: it must be a number of at least 0 and at most 1"),
        ({"augment__repeats": 0}, "config.augment.repeats is 0: it must be a whole number from 1 to 1024"),
        (
            {"augment__crop_scale": ("a", 1.0)},
            "config.augment.crop_scale is 'a': it must be a number above 0 and at most 1",
        ),
        ({"losses__mskd__options__stage_weights": ("a",)}, "config.losses.mskd.options.stage_weights is 'a': it must"),
        (
            {"schedule__boundaries": ("a",)},
            "config.schedule.boundaries is 'a': it must be a number of at least 0 and at most 1",
        ),
        ({"dataset__splits__test": ""}, "config.dataset.splits.test is '': it must be text that is not empty"),
    ],
)
def test_impossible_values_name_their_key(change, message):
    with pytest.raises(UserError) as error:
        check.check(wrong(**change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "key", "message"),
    [
        ("", "bacth_size", "config.bacth_size: unknown key 'bacth_size'; did you mean 'batch_size'?"),
        ("dataset", "nmae", "config.dataset.nmae: unknown key 'nmae'; did you mean 'name'?"),
        ("losses", "mksd", "config.losses.mksd: unknown key 'mksd'; did you mean 'mskd'?"),
        ("losses.mskd", "wieght", "config.losses.mskd.wieght: unknown key 'wieght'; did you mean 'weight'?"),
        ("losses.mskd.options", "stage", "config.losses.mskd.options.stage: unknown option 'stage'"),
        ("teachers.teacher", "trainble", "config.teachers.teacher.trainble: unknown key"),
        ("student", "modle", "config.student.modle: unknown key 'modle'; did you mean 'model'?"),
    ],
)
def test_unknown_keys_name_the_closest_known_one(path, key, message):
    config = config_lib.default()
    section = config
    for part in filter(None, path.split(".")):
        section = section[part]
    section[key] = 1
    with pytest.raises(UserError) as error:
        check.check(config)
    assert str(error.value).startswith(message)


def test_routing_to_a_network_that_does_not_exist():
    config = config_lib.default()
    config.losses.ial.routing = {"techer": 0.5}
    with pytest.raises(UserError, match=r"config.losses.ial.routing.techer: unknown network 'techer'; did you mean"):
        check.check(config)


def test_a_section_is_not_a_value():
    config = ConfigDict({**config_lib.default().to_dict(), "schedule": "cosine"})
    with pytest.raises(UserError, match=r"config.schedule is 'cosine': it must be a section with keys"):
        check.check(config)


def test_a_head_has_its_network_s_settings_but_for_single_keys():
    config = config_lib.default()
    config.groups = {
        "teacher": {"schedule": {"learning_rate": 0.5}, "optimizer": {"name": "sgd"}},
        "teacher/head": {"schedule": {"learning_rate": 2.0}},
        "student/head": {"schedule": {"warmup": 0.0}},
    }
    check.check(config)
    settings = {name: config_lib.group_settings(config, name) for name in ("teacher", "teacher/head", "student/head")}
    assert [own["schedule"]["learning_rate"] for own in settings.values()] == [0.5, 2.0, 1e-3]
    assert [own["optimizer"]["name"] for own in settings.values()] == ["sgd", "sgd", "adamw"]
    assert [own["schedule"]["warmup"] for own in settings.values()] == [0.1, 0.1, 0.0]
    assert list(recipes.apply_recipe(config.copy_and_resolve_references(), "ce").groups) == ["student/head"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"student/heat": {}}, r"config.groups.student/heat: unknown network 'student/heat'; did you mean 'student/he"),
        ({"adapters/head": {}}, r"config.groups.adapters/head: unknown network"),
        ({"student/head": {"schedule": {"learning_rate": -1.0}}}, r"config.groups.student/head.schedule.learning_rate"),
        (
            {"student/head": {"optimizer": {"clip_norm": 1.0}}},
            r"config.groups.student/head.optimizer.clip_norm applies to the whole network's gradient: set it in "
            r"config.groups.student$",
        ),
    ],
)
def test_bad_heads(groups, message):
    config = config_lib.default()
    config.groups = groups
    with pytest.raises(UserError, match=message):
        check.check(config)


def test_balance_that_cannot_be():
    both = wrong(dataset__balance=0.5, losses__ce__options__balance=0.5)
    with pytest.raises(UserError, match=r"config.losses.ce.options.balance and config.dataset.balance both compensate"):
        check.check(both)
    with pytest.raises(UserError, match=r"config.dataset.balance is 1.5: it must be a number of at least 0"):
        check.check(wrong(dataset__balance=1.5))
    probe = recipes.apply_recipe(wrong(dataset__balance=0.5, student__init="imagenet"), "probe")
    with pytest.raises(UserError, match=r"config.dataset.balance must be 0 with recipe probe"):
        check.check(probe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset__unlabelled_share": 0.0},
            r"config.dataset.unlabelled_share is 0.0: it must be a number above 0 and below 1",
        ),
        (
            {"dataset__unlabelled_share": 1.0},
            r"config.dataset.unlabelled_share is 1.0: it must be a number above 0 and below 1",
        ),
        ({"dataset__view": "roi"}, r"config.dataset.unlabelled needs config.dataset.view='photo', not 'roi'"),
        ({"augment__mixup": 0.2}, r"config.dataset.unlabelled does not go with mixup and CutMix, which mix labels"),
        (
            {"losses__mskd__weight": 0.0, "losses__ial__weight": 0.0},
            r"config.dataset.unlabelled needs a term between student and teacher; recipe jdnet has none",
        ),
    ],
)
def test_photos_without_labels_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        check.check(wrong(dataset__unlabelled="photos", **changes))
    assert check.check(wrong(dataset__unlabelled="photos")) is None
    with pytest.raises(UserError, match=r"recipe ce has none: leave it empty"):
        check.check(recipes.apply_recipe(wrong(dataset__unlabelled="photos"), "ce"))


def test_groups_override_single_keys():
    config = config_lib.default()
    config.groups = {"teacher": {"schedule": {"learning_rate": 0.5}}}
    check.check(config)
    assert config_lib.group_settings(config, "teacher")["schedule"]["learning_rate"] == 0.5
    assert config_lib.group_settings(config, "teacher")["schedule"]["name"] == config.schedule.name
    assert config_lib.group_settings(config, "student")["schedule"]["learning_rate"] == 1e-3
    config.groups = {"teacher": {"schedule": {"learning_rat": 0.5}}}
    with pytest.raises(UserError, match=r"config.groups.teacher.schedule.learning_rat: unknown key"):
        check.check(config)
    config.groups = {"teacher": {"schedule": 0.1}}
    with pytest.raises(UserError, match=r"config.groups.teacher.schedule is not a section"):
        check.check(config)
    config.groups = {"techer": {}}
    with pytest.raises(UserError, match=r"config.groups.techer: unknown network 'techer'"):
        check.check(config)


def test_total_steps_rounds_up_and_prefers_steps():
    assert config_lib.total_steps(wrong(epochs=1.0, batch_size=32), 100) == 4
    assert config_lib.total_steps(wrong(epochs=0.5, batch_size=32), 100) == 2
    assert config_lib.total_steps(wrong(steps=7), 100) == 7


def test_differences_are_dotted_names():
    assert config_lib.differences({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}}) == ["a.c", "d"]


def test_the_names_that_the_config_allows_are_those_that_the_losses_know():
    assert keys.MSKD_VARIANTS == mskd.VARIANTS
    assert keys.IAL_VARIANTS == ial.VARIANTS
    assert keys.WEIGHT_SCHEDULES == schedule.NAMES


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
        ({"teachers__a__init": "random"}, "config.teachers.a.init is random: recipe meal needs a trained teach"),
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


def test_jdnet_from_trained_teachers_keeps_what_they_know():
    config = config_lib.default()
    config.teachers.teacher.init = "runs/teacher"
    config.losses.mskd.schedule.name = "linear"
    config = recipes.apply_recipe(config, "jdnet_trained")
    check.check(config)
    assert config.teachers.teacher.trainable
    assert {term for term, loss in config.losses.items() if loss.weight} == {"ce", "mskd", "ial", "kl"}
    assert config.losses.mskd.schedule.name == config.losses.ial.schedule.name == "constant"
    rates = [config_lib.group_settings(config, name)["schedule"]["learning_rate"] for name in ("student", "teacher")]
    assert rates[1] == pytest.approx(rates[0] / 10)
    # What the config says of the teacher's own training goes first.
    other = config_lib.default()
    other.groups = {"teacher": {"schedule": {"learning_rate": 0.5}}}
    other = recipes.apply_recipe(other, "jdnet_trained")
    assert config_lib.group_settings(other, "teacher")["schedule"]["learning_rate"] == 0.5
    config.losses.kl.weight = 0.0  # MSKD and IAL alone
    check.check(config)
    config.teachers.teacher.trainable = False
    with pytest.raises(UserError, match=r"config.recipe is 'jdnet_trained', but its teachers"):
        check.check(config)


@pytest.mark.parametrize("part", ["mskd", "ial"])
def test_the_parts_of_jdnet_from_trained_teachers(part):
    config = recipes.apply_recipe(config_lib.default(), f"jdnet_trained-{part}")
    assert {term for term, loss in config.losses.items() if loss.weight} == {"ce", "mskd", "ial", "kl"} - {part}
    config = recipes.apply_recipe(config_lib.default(), "jdnet_trained_oneway")
    assert config.losses[part].routing.teacher == config.losses.kl.routing.teacher == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset__cache": "encoded"}, r"config.dataset.cache is 'encoded': it must be True, False or decoded"),
        ({"dataset__cache": 1}, r"config.dataset.cache is 1: it must be True, False or decoded"),
        (
            {"dataset__cache": "decoded", "dataset__view": "roi"},
            r"config.dataset.cache 'decoded' keeps no masks, which config.dataset.view='roi' needs: set it to True",
        ),
        (
            {"dataset__cache": "decoded", "dataset__unlabelled": "photos"},
            r"config.dataset.cache 'decoded' does not go with config.dataset.unlabelled: set it to True",
        ),
    ],
)
def test_caches_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        check.check(wrong(**changes))
    for value in (True, False, "decoded"):
        check.check(wrong(dataset__cache=value))
