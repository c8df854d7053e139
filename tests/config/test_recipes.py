import pytest
from ml_collections import ConfigDict

from jdnet_jax.config import check, keys, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError


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


@pytest.mark.parametrize("recipe", [name for name in recipes.TRAINED_BEFORE if not name.startswith("meal")])
def test_a_teacher_that_was_trained_before_learns_on_or_is_frozen(recipe):
    config = recipes.apply_recipe(config_lib.default(), recipe)
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
    config.schedule.learning_rate = 5.0  # a flag
    assert config_lib.group_settings(config, "teacher")["schedule"]["learning_rate"] == pytest.approx(0.5)
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
