import subprocess
import sys

import pytest

from jdnet_jax.config import check, meal
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config.meal import Argument, Entry
from jdnet_jax.learning import alignment_check, networks
from jdnet_jax.process.errors import UserError
from tests.commands import ROOT
from tests.test_configs import config_of

DEFAULT = Argument(teachers=("a", "b"), student="s", handoffs="runs/x-{}")
CONFIGS = ("cifar10", "cifar100", "svhn", "imagenet", "imaterialist", "demo", "cifar10_small")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", DEFAULT),
        ("ce", Argument(recipe="ce", teachers=("a", "b"), student="s", handoffs="runs/x-{}")),
        (
            "handoffs=D/{},teachers=A+B+C,recipe=meal_joint,student=t",
            Argument(recipe="meal_joint", teachers=("A", "B", "C"), student="t", handoffs="D/{}"),
        ),
        ("meal_none,teachers=A,handoffs=D", Argument(recipe="meal_none", teachers=("A",), student="s", handoffs="D")),
    ],
)
def test_arguments(argument, expected):
    assert meal.parse(argument, DEFAULT) == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("teacher=a", "'teacher=a': unknown option 'teacher'; did you mean 'teachers'? known: stage, "),
        ("stage=both,model=a", "'stage=both,model=a': unknown stage 'both'"),
        ("stage=teacher", "'stage=teacher': stage=teacher and model=NAME go together; form: RECIPE,"),
        ("model=a", "'model=a': stage=teacher and model=NAME go together"),
        ("teachers=a+a", "'teachers=a+a': a teacher is named twice"),
        ("handoffs=D", "'handoffs=D': handoffs=D has no {}, which stands for each teacher's name"),
    ],
)
def test_arguments_of_another_form(argument, message):
    with pytest.raises(UserError) as error:
        meal.parse(argument, DEFAULT)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_teacher_is_trained_alone_from_the_labels():
    config = config_of("meal_cifar10", "stage=teacher,model=vgg19_bn")
    check.check(config)
    assert (config.recipe, config.student.model, dict(config.teachers)) == ("ce", "cifar_vgg19_bn", {})


def test_the_student_has_each_teacher_from_where_the_first_stage_leaves_it():
    config = config_of("meal_cifar10", "teachers=vgg19_bn+cifar_dpn92,student=mobilenet")
    check.check(config)
    assert config.teachers.vgg19_bn.to_dict() == {
        "model": "cifar_vgg19_bn",
        "init": "runs/meal_cifar10-stage=teacher,model=vgg19_bn",
        "trainable": False,
        "options": {},
        "before": {},
    }
    assert config.teachers.cifar_dpn92.model == "cifar_dpn92"
    assert config.blocks.stages.to_dict() == {"student": (0, 1, 2, 3), "vgg19_bn": (0, 1, 2, 3)}
    assert (config.recipe, config.teacher_selection) == ("meal", "random")


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("recipe", ["", "meal_none", "meal_joint", "meal_alternate", "meal_v2", "ce", "kd"])
def test_every_recipe_of_every_config_is_what_it_says(name, recipe):
    config = config_of(f"meal_{name}", recipe)
    check.check(config)
    assert not recipe or config.recipe == recipe


@pytest.mark.parametrize("name", CONFIGS)
def test_student_and_teachers_of_every_config_have_as_many_blocks(name):
    config = config_of(f"meal_{name}", "meal_none")
    alignment_check.check_alignment(config, networks.build(config, 10))


def test_names_that_are_not_the_configs_are_the_zoos():
    config = config_of("meal_demo", "teachers=w16,student=resnet18")
    assert config.student.to_dict() == {"model": "resnet18", "init": "random", "options": {}}
    own = meal.configure(config_lib.default(), "", DEFAULT, {"s": Entry("resnet_tiny", {"width": 4}, init="x")})
    assert own.student.to_dict() == {"model": "resnet_tiny", "init": "x", "options": {"width": 4}}


def test_v2_has_no_decay_no_labels_and_a_student_that_starts_pretrained():
    config = config_of("meal_imagenet")
    assert (config.recipe, config.teacher_selection, config.blocks.lengths) == ("meal_v2", "mean", ())
    assert (config.optimizer.weight_decay, config.losses.ce.weight) == (0.0, 0.0)
    assert config.student.init.startswith("timm/")
    assert config.losses.adversarial.options.divisors == (8, 64)


def test_the_module_imports_neither_jax_nor_tensorflow():
    code = "import sys, jdnet_jax.config.meal; assert not {'jax', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
