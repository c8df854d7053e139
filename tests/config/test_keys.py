import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict

from jdnet_jax.config import check, keys, options
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config.values import Choice, Number, Section, Several, Whole
from jdnet_jax.data import builders
from jdnet_jax.losses import ial, mskd, schedule
from jdnet_jax.models.registry import _ZOO
from jdnet_jax.process.errors import UserError

# Of no key: neither a number, text, a truth value, a tuple nor a section of these.
OF_NO_KEY = (None, math.nan, math.inf, -math.inf, 10**300, -(10**300), 1j, {1}, b"1", [None], object(), "R\udcff")
# Keys that also take None: options, which their owners check.
OPEN = [name for name in keys.KEYS if name.endswith("options") or name == "groups"]


def config_with(name, value):
    """The default config with one value, of whatever type; `*` is the teacher."""
    config = config_lib.default()
    *sections, last = name.replace("*", "teacher").split(".")
    owner = config
    for section in sections:
        owner = owner[section]
    with owner.ignore_type():
        owner[last] = value
    return config


@pytest.mark.parametrize("name", keys.KEYS)
def test_every_key_has_a_meaning_and_a_default_within_its_range(name):
    key = keys.KEYS[name]
    assert key.meaning
    assert str(key.values)
    key.values.check(name, ConfigDict(key.default) if isinstance(key.default, dict) else key.default)


@pytest.mark.parametrize("name", [name for name in keys.KEYS if name not in OPEN])
def test_every_key_refuses_what_is_of_no_use_and_is_named(name):
    for value in OF_NO_KEY:
        with pytest.raises(UserError) as error:
            check.check(config_with(name, value))
        path = f"config.{name.replace('*', 'teacher')}"
        assert str(error.value).startswith(path)
        assert "\n" not in str(error.value)


def test_every_key_of_a_config_is_in_the_table():
    def paths(section, prefix=""):
        for key, value in section.items():
            path = f"{prefix}{key}"
            if isinstance(value, ConfigDict) and path.replace("teachers.teacher", "teachers.*") not in keys.KEYS:
                yield from paths(value, f"{path}.")
            else:
                yield path.replace("teachers.teacher", "teachers.*")

    assert set(paths(config_lib.default())) == set(keys.KEYS)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 2.5, "config.steps is 2.5: it must be a whole number from 0 to 1000000000"),
        ("batch_size", 8.0, "config.batch_size is 8.0: it must be a whole number"),
        ("batch_size", True, "config.batch_size is True: it must be a whole number"),
        ("seed", 1.5, "config.seed is 1.5: it must be a whole number"),
        ("snapshots", 1.5, "config.snapshots is 1.5: it must be a whole number from 0 to 1000"),
        ("steps", 10**20, "config.steps is 100000000000000000000: it must be a whole number"),
        pytest.param("steps", 10**5000, "config.steps is a number of more than 100 digits: it must be", id="digits"),
        ("image_size", 100000, "config.image_size is 100000: it must be a whole number from 1 to 2048"),
        ("augment.flip", 1, "config.augment.flip is 1: it must be True or False"),
        ("augment.flip", "yes", "config.augment.flip is 'yes': it must be True or False"),
        ("optimizer.nesterov", 0, "config.optimizer.nesterov is 0: it must be True or False"),
        ("dataset.data_dir", "a\0b", "config.dataset.data_dir is 'a\\x00b': it must be text"),
        ("dataset.options.counts", 10**12, "config.dataset.options.counts is 1000000000000: it must be a tuple of 3"),
        (
            "dataset.options.counts",
            (10**12, 1, 1),
            "config.dataset.options.counts is 1000000000000: it must be a whole",
        ),
        ("dataset.options.size", 10**6, "config.dataset.options.size is 1000000: it must be a whole number from 16"),
        ("student.options.width", 10**6, "config.student.options.width is 1000000: it must be a whole number from 1"),
        ("teachers.*.options.width", 16.0, "config.teachers.teacher.options.width is 16.0: it must be a whole number"),
        ("student.options.roi_options", {"width": 10**6}, "config.student.options.roi_options.width is 1000000: it"),
        ("student.options.other", math.nan, "config.student.options.other is nan: it must be text, a finite number"),
        ("student.init", 3, "config.student.init is 3: it must be text that is not empty"),
        ("student.init", {"roi": 3}, "config.student.init.roi is 3: it must be text that is not empty"),
        ("losses.mskd.routing.teacher", "much", "config.losses.mskd.routing.teacher is 'much': it must be a number"),
        ("groups.teacher", {"schedule": {"warmup": 2}}, "config.groups.teacher.schedule.warmup is 2: it must be"),
        ("teachers.other", 5, "config.teachers.other is not a section"),
    ],
)
def test_values_of_another_kind_or_out_of_range(name, value, message):
    with pytest.raises(UserError) as error:
        check.check(config_with(name, value))
    assert str(error.value).startswith(message)


def test_the_options_in_the_table_are_those_that_datasets_and_networks_have():
    assert {name: set(allowed) for name, allowed in options.DATASET_OPTIONS.items()} == {
        name: set(ours.options) for name, ours in builders.OURS.items() if ours.options
    }
    of_networks = {option for variant in _ZOO.values() for option in variant.options}
    assert set(options.NETWORK_OPTIONS) <= of_networks


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.none())
def test_a_kind_takes_what_it_says_and_raises_nothing_else(value):
    whole = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 9
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
    kinds = [
        (Whole(1, 9), value, whole),
        (Number(0, 1, above=True, below=True), value, number),
        (Choice(("a", "b")), value, value in ("a", "b")),
        (Several(Whole(1, 9), count=2), (value, value), whole),
        (Section(Whole(1, 9)), {"a": value}, whole),
    ]
    for kind, entry, fits in kinds:
        if fits:
            kind.check("key", entry)
        else:
            with pytest.raises(UserError, match=r"^key"):
                kind.check("key", entry)


def test_the_names_that_the_config_allows_are_those_that_the_losses_know():
    assert keys.MSKD_VARIANTS == mskd.VARIANTS
    assert keys.IAL_VARIANTS == ial.VARIANTS
    assert keys.WEIGHT_SCHEDULES == schedule.NAMES
