import pytest

from jdnet_jax.config import check, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import plain
from tests.config import changed


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
    assert config_lib.total_steps(changed(epochs=1.0, batch_size=32), 100) == 4
    assert config_lib.total_steps(changed(epochs=0.5, batch_size=32), 100) == 2
    assert config_lib.total_steps(changed(steps=7), 100) == 7


def test_differences_are_dotted_names():
    assert config_lib.differences({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}}) == ["a.c", "d"]


@pytest.mark.parametrize(
    ("teachers", "expected"),
    [
        ({"big": {"model": "resnet18"}}, {"big": {**config_lib.teacher("resnet18"), "model": "resnet18"}}),
        ({"big": {"before": {"epochs": 3.0}}}, {"big": {**config_lib.teacher("resnet50"), "before": {"epochs": 3.0}}}),
        ({}, {}),
        ({"big": 3}, {"big": 3}),
        ([], []),
        (3, 3),
    ],
)
def test_a_config_of_an_earlier_version_gets_new_keys_of_its_teachers_and_no_teacher(teachers, expected):
    """What is damaged stays as it is, for the reader to refuse."""
    assert config_lib.filled({"teachers": teachers}, plain(config_lib.default()))["teachers"] == expected
