import pytest
from ml_collections import ConfigDict

from jdnet_jax.config import check, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError
from tests.config import changed


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
        check.check(changed(**change))
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


def test_cross_entropy_alone_has_to_reach_the_student():
    config = recipes.apply_recipe(changed(), "ce")
    config.losses.ce.routing = {"student": 0.0}
    with pytest.raises(UserError, match=r"config.losses.ce.routing.student is 0, and no other term trains the student"):
        check.check(config)


def test_balance_that_cannot_be():
    without = recipes.apply_recipe(changed(losses__ce__options__balance=0.5), "patient")
    with pytest.raises(UserError, match=r"options.balance weights cross-entropy, which recipe patient has not"):
        check.check(without)
    both = changed(dataset__balance=0.5, losses__ce__options__balance=0.5)
    with pytest.raises(UserError, match=r"config.losses.ce.options.balance and config.dataset.balance both compensate"):
        check.check(both)
    with pytest.raises(UserError, match=r"config.dataset.balance is 1.5: it must be a number of at least 0"):
        check.check(changed(dataset__balance=1.5))
    probe = recipes.apply_recipe(changed(dataset__balance=0.5, student__init="imagenet"), "probe")
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
        check.check(changed(dataset__unlabelled="photos", **changes))
    assert check.check(changed(dataset__unlabelled="photos")) is None
    with pytest.raises(UserError, match=r"recipe ce has none: leave it empty"):
        check.check(recipes.apply_recipe(changed(dataset__unlabelled="photos"), "ce"))


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
        check.check(changed(**changes))
    for value in (True, False, "decoded"):
        check.check(changed(dataset__cache=value))
