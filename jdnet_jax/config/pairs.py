"""Pairs of teacher and student, for configs that offer several.

    --config=configs/food101.py:pair=efficientnet_b4-b0

A run prints at its start how many times larger than the student its teacher is. This module imports neither JAX nor
TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config import teacher
from jdnet_jax.process.errors import UserError, unknown


@dataclasses.dataclass(frozen=True)
class Pair:
    """A teacher and a student; the pairs and their settings are OURS.

    Attributes:
        teacher: its name in the zoo.
        student: its name in the zoo.
        teacher_init: the teacher's initial weights; `random` for none.
        teacher_group: the teacher's optimiser and schedule, where they are not the student's.
        class_maps: whether IAL's variant `classes` fits: both classifiers are one linear layer on pooled maps.
    """

    teacher: str
    student: str
    teacher_init: str = "random"
    teacher_group: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    class_maps: bool = True


DEFAULT = "resnet50-mobilenetv2_100"

#: By name; parameters of teacher and student with 101 classes.
PAIRS: Mapping[str, Pair] = {
    DEFAULT: Pair("resnet50", "mobilenetv2_100"),  # 23.7 M, 2.4 M: 10.1x
    "efficientnet_b4-b0": Pair("efficientnet_b4", "efficientnet_b0"),  # 17.7 M, 4.1 M: 4.3x
    "densenet161-121": Pair("densenet161", "densenet121"),  # 26.7 M, 7.1 M: 3.8x
    "resnet101-mobilenetv4_conv_medium": Pair(  # 42.7 M, 8.6 M: 5.0x
        "resnet101", "mobilenetv4_conv_medium", class_maps=False
    ),
    # 93.0 M, 8.6 M: 10.9x. A transformer does not learn from so few photos alone, so it has weights to begin with, and
    # is tuned as transformers are.
    "siglip_b-mobilenetv4_conv_medium": Pair(
        "vit_base_patch16_siglip_224",
        "mobilenetv4_conv_medium",
        teacher_init="timm/vit_base_patch16_siglip_224.v2_webli",
        class_maps=False,
        teacher_group={
            "optimizer": {"name": "adamw", "weight_decay": 0.05, "clip_norm": 1.0},
            "schedule": {"learning_rate": 3e-5},
        },
    ),
}


def parse(argument: str) -> tuple[str, str]:
    """Recipe and pair of a config file's argument: `RECIPE`, `pair=NAME`, or both with a comma between; '' for neither.

    Raises:
        UserError: an unknown pair, or an argument of another form.
    """
    recipe, pair = "jdnet_trained", DEFAULT
    for part in filter(None, argument.split(",")):
        key, separator, value = part.partition("=")
        if not separator:
            recipe = part
        elif key != "pair":
            raise UserError(f"{argument!r}: {unknown('option', key, ('pair',))}; form: RECIPE,pair=NAME")
        elif value not in PAIRS:
            raise UserError(unknown("pair", value, PAIRS))
        else:
            pair = value
    return recipe, pair


def apply(config: ConfigDict, name: str) -> None:
    """Sets student, teacher and the settings that depend on them. Call it before `recipes.apply_recipe`.

    Args:
        config: the config to change, from `config.default()`.
        name: one of `PAIRS`.
    """
    pair = PAIRS[name]
    config.student = ConfigDict({"model": pair.student, "init": "random", "options": {}})
    config.teachers = ConfigDict({"teacher": teacher(pair.teacher, init=pair.teacher_init, before=pair.teacher_group)})
    if pair.teacher_group:
        config.groups = ConfigDict({"teacher": pair.teacher_group})
