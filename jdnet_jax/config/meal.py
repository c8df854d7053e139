"""Shared parts of MEAL's configs: their argument, the names of their networks, and the paper's recipe for small images.

    --config=configs/meal_cifar10.py:stage=teacher,model=vgg19_bn      # a teacher; then the others
    --config=configs/meal_cifar10.py                                   # the student, from all of them
    --config=configs/meal_cifar10.py:meal_none,teachers=vgg19_bn+dpn92,handoffs=runs/first-{}

This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import default, teacher
from jdnet_jax.config.recipes import apply_recipe
from jdnet_jax.config.routing import DISCRIMINATORS, STUDENT
from jdnet_jax.process.errors import UserError, unknown

STAGES = ("teacher", "student")
_FORM = "form: RECIPE,teachers=A+B,handoffs=PATTERN,student=NAME, or stage=teacher,model=NAME"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A network that a config's argument can name.

    Attributes:
        model: its name in the zoo.
        options: options of the model.
        stages: those of its stages that are blocks; None for all.
        init: its initial weights, as a student or as a teacher that is trained.
        trained: weights to use as a teacher, for one that needs no training; '' where a hand-off is needed.
    """

    model: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stages: tuple[int, ...] | None = None
    init: str = "random"
    trained: str = ""


#: The networks of the paper's code for images of 32 pixels, by the names that it gives them. Of those with five stages
#: the first four are blocks, which all have (OURS).
SMALL_IMAGES: Mapping[str, Entry] = {
    "vgg19_bn": Entry("cifar_vgg19_bn", stages=(0, 1, 2, 3)),
    "dpn92": Entry("cifar_dpn92"),
    "resnet18": Entry("cifar_resnet18"),
    "preactresnet18": Entry("cifar_preact_resnet18"),
    "densenet_cifar": Entry("cifar_densenet"),
    "googlenet": Entry("cifar_googlenet"),
    "resnext29_2x64d": Entry("cifar_resnext29_2x64d"),
    "mobilenet": Entry("cifar_mobilenet", stages=(0, 1, 2, 3)),
}
#: The paper's five teachers.
FIVE_TEACHERS = ("vgg19_bn", "dpn92", "resnet18", "preactresnet18", "densenet_cifar")


@dataclasses.dataclass(frozen=True)
class Argument:
    """The parsed argument of a config.

    Attributes:
        stage: one of `STAGES`: what is trained.
        recipe: recipe of the student.
        model: the teacher to train, in the stage `teacher`.
        teachers: names of the student's teachers.
        student: the student's name.
        handoffs: the folder of each teacher's run, `{}` standing for its name.
    """

    stage: str = "student"
    recipe: str = "meal"
    model: str = ""
    teachers: tuple[str, ...] = ()
    student: str = ""
    handoffs: str = ""


def parse(argument: str, default: Argument) -> Argument:
    """Parses an argument `RECIPE,key=value,...`; every part is optional.

    Raises:
        UserError: an unknown key or stage, a stage without its model, a teacher named twice, or a pattern of hand-offs
            that is the same for two.
    """
    values: dict[str, Any] = {}
    for part in filter(None, argument.split(",")):
        key, separator, value = part.partition("=")
        if not separator:
            key, value = "recipe", part
        known = [field.name for field in dataclasses.fields(Argument)]
        if key not in known:
            raise UserError(f"{argument!r}: {unknown('option', key, known)}; {_FORM}")
        values[key] = tuple(filter(None, value.split("+"))) if key == "teachers" else value
    read = dataclasses.replace(default, **values)
    if read.stage not in STAGES:
        raise UserError(f"{argument!r}: {unknown('stage', read.stage, STAGES)}; {_FORM}")
    if (read.stage == "teacher") != bool(read.model):
        raise UserError(f"{argument!r}: stage=teacher and model=NAME go together; {_FORM}")
    if len(set(read.teachers)) < len(read.teachers):
        raise UserError(f"{argument!r}: a teacher is named twice; {_FORM}")
    if len(read.teachers) > 1 and "{}" not in read.handoffs:
        raise UserError(f"{argument!r}: handoffs={read.handoffs} has no {{}}, which stands for each teacher's name")
    return read


def configure(config: ConfigDict, argument: str, default: Argument, networks: Mapping[str, Entry]) -> ConfigDict:
    """Sets the networks and the recipe that an argument asks for.

    Args:
        config: the config with the data, training and blocks of both stages.
        argument: argument of the config file.
        default: the values that the argument leaves out.
        networks: name -> entry; other names are the zoo's.

    Raises:
        UserError: see `parse`, or an unknown recipe.
    """
    read = parse(argument, default)
    if read.stage == "teacher":
        config.student = _student(_entry(networks, read.model))
        config.teachers = ConfigDict()
        return apply_recipe(config, "ce")
    entries = {STUDENT: _entry(networks, read.student), **{name: _entry(networks, name) for name in read.teachers}}
    config.student = _student(entries[STUDENT])
    config.teachers = ConfigDict(
        {
            name: teacher(
                entries[name].model,
                entries[name].trained or read.handoffs.replace("{}", name),
                False,
                **entries[name].options,
            )
            for name in read.teachers
        }
    )
    config.blocks.stages = ConfigDict({name: e.stages for name, e in entries.items() if e.stages is not None})
    return apply_recipe(config, read.recipe)


def five_teachers(config: ConfigDict, argument: str, name: str) -> ConfigDict:
    """`configure` with the paper's five teachers and the student of its example.

    Args:
        config: as for `configure`.
        argument: argument of the config file.
        name: name of the config file; the teachers' runs lie where its first command leaves them.
    """
    runs = f"runs/{name}-stage=teacher,model={{}}"
    usual = Argument(teachers=FIVE_TEACHERS, student="densenet_cifar", handoffs=runs)
    return configure(config, argument, usual, SMALL_IMAGES)


def small_images() -> ConfigDict:
    """The paper's recipe for images of 32 pixels, but for data and augmentation.

    PAPER (released code): SGD 0.1 with momentum 0.9 and weight decay 5e-4, batch 128, the learning rate times 0.1 after
    150 and 250 of 350 epochs, 1e-3 for the discriminators; five blocks with the weights 0.001, 0.01, 0.05, 0.1 and 1.
    OURS: the lengths of the blocks (the released ones, 10000, 5000, 1000 and 500, are more than a map has positions);
    no decay on biases and batch norm; the same schedule for the discriminators, from a separate rate.
    """
    config = default()
    config.image_size = 32
    config.crop_fraction = 1.0
    config.augment.crop_scale = config.augment.crop_ratio = (1.0, 1.0)
    config.batch_size = 128
    config.eval_batch_size = 500
    config.epochs = 350.0
    config.optimizer.update(name="sgd", momentum=0.9, nesterov=False, weight_decay=5e-4)
    config.schedule.update(name="step", learning_rate=0.1, warmup=0.0, boundaries=(150 / 350, 250 / 350), decay=0.1)
    config.blocks.lengths = (256, 128, 64, 16)
    config.losses.similarity.options.gammas = (0.001, 0.01, 0.05, 0.1, 1.0)
    config.groups = ConfigDict({DISCRIMINATORS: {"schedule": {"learning_rate": 1e-3}}})
    config.log_every = 100
    config.select = "last"
    return config


def _student(entry: Entry) -> ConfigDict:
    return ConfigDict({"model": entry.model, "init": entry.init, "options": dict(entry.options)})


def _entry(networks: Mapping[str, Entry], name: str) -> Entry:
    of_model = (entry for entry in networks.values() if entry.model == name)
    return networks.get(name) or next(of_model, Entry(name))
