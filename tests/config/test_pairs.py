import math
import subprocess
import sys

import jax
import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import pairs
from jdnet_jax.learning import networks, run_check
from jdnet_jax.process.errors import UserError
from tests.commands import ROOT
from tests.test_configs import config_of


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("jdnet", ("jdnet", "resnet50-mobilenetv2_100")),
        ("ce,pair=densenet161-121", ("ce", "densenet161-121")),
        ("pair=densenet161-121", ("jdnet_trained", "densenet161-121")),
        ("", ("jdnet_trained", "resnet50-mobilenetv2_100")),
        ("pair=densenet161-121,dml", ("dml", "densenet161-121")),
    ],
)
def test_arguments(argument, expected):
    assert pairs.parse(argument) == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "jdnet,pair=densenet161",
            r"^unknown pair 'densenet161'; did you mean 'densenet161-121'\? known: resnet50-mob",
        ),
        (
            "jdnet,pairs=a",
            r"^'jdnet,pairs=a': unknown option 'pairs'; did you mean 'pair'\? .*; form: RECIPE,pair=NAME$",
        ),
    ],
)
def test_arguments_of_another_form(argument, message):
    with pytest.raises(UserError, match=message):
        pairs.parse(argument)


def test_the_module_imports_neither_jax_nor_tensorflow():
    code = "import sys, jdnet_jax.config.pairs; assert not {'jax', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_teacher_with_an_optimiser_of_its_own_has_it_where_it_is_trained():
    siglip = "pair=siglip_b-mobilenetv4_conv_medium"
    settings = config_lib.group_settings(config_of("food101", f"jdnet,{siglip}"), "teacher")
    assert (settings["optimizer"]["name"], settings["schedule"]["learning_rate"]) == ("adamw", 3e-5)
    assert settings["schedule"]["warmup"] == 0.05  # the config's
    for recipe in ("ce", "kd"):
        assert not config_of("food101", f"{recipe},{siglip}").groups


def test_both_configs_have_the_same_pairs():
    for name, pair in pairs.PAIRS.items():
        for config in (config_of(file, f"jdnet,pair={name}") for file in ("food101", "uec256")):
            assert (config.student.model, config.teachers.teacher.model) == (pair.student, pair.teacher)
            assert config.teachers.teacher.init == pair.teacher_init


@pytest.mark.parametrize("name", pairs.PAIRS)
def test_every_pair_can_be_trained(name):
    config = config_of("food101", f"jdnet,pair={name}")
    config.teachers.teacher.init = "random"  # no network in tests
    run_check.check(config)
    nets = networks.build(config, 101)
    counts = {
        key: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(networks.shapes(net)[1]["params"]))
        for key, net in nets.items()
    }
    assert counts["teacher"] > 3.5 * counts["student"]
    assert (nets["student"].options, nets["teacher"].options) == ({"drop_rate": 0.2}, {})
