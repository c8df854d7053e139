"""Teachers that are trained first: recipes that need a trained teacher, such as `kd` and `jdnet_trained`, get one.

This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import default
from jdnet_jax.config.recipes import TRAINED_BEFORE, apply_recipe
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.process.errors import UserError

# What the training alone has from the rest of the config.
_FIXED = ("recipe", "dataset", "student", "teachers")


def untrained(config: Mapping[str, Any]) -> list[str]:
    """The teachers that have to be trained first: the recipe needs trained ones, and theirs are not.

    Weights of ImageNet, timm's among them, are those of a trained teacher on ImageNet alone: elsewhere its classifier
    is new. Whatever else `init` names, a run's folder, a file, a repository of the hub or weights for each branch, is
    taken for trained.

    Args:
        config: config of a run, whole or as the plain content of `config.json`.
    """
    of_imagenet = config["dataset"]["name"].startswith("imagenet2012")
    all_of_them = config["recipe"] in TRAINED_BEFORE
    names = []
    for name, entry in config["teachers"].items():
        init = entry["init"]
        needed = all_of_them or not entry["trainable"]
        general = isinstance(init, str) and (init == "imagenet" or init.startswith("timm/"))
        if needed and (init == "random" or (general and not of_imagenet)):
            names.append(name)
    return names


def of_teacher(config: ConfigDict, name: str) -> ConfigDict:
    """The config that trains one teacher of a config alone, with cross-entropy.

    Budget, data, optimiser and schedule are the config's, but for the values in `config.teachers.NAME.before`. It is
    the same for all recipes of a config file, so that they can share the teacher.

    Args:
        config: a config with the teacher, of any recipe.
        name: name of the teacher.

    Raises:
        UserError: `before` has a value that cannot be there.
    """
    path, entry = f"config.teachers.{name}.before", config.teachers[name]
    alone = config.copy_and_resolve_references()
    alone.unlock()
    size = alone.resolutions.get(name, 0)
    ce = {**alone.losses.ce, "weight": alone.losses.ce.weight or 1.0}
    alone.losses, alone.blocks = {**default().losses, "ce": ce}, default().blocks
    alone = apply_recipe(alone, "ce")
    alone.student = {"model": entry.model, "init": entry.init, "options": entry.options.to_dict()}
    alone.groups, alone.resolutions = {}, {STUDENT: size}
    alone.dataset.unlabelled = ""
    alone.probe, alone.gradient_report = False, 0
    for key in entry.before:
        if key in _FIXED:
            raise UserError(f"{path}.{key}: the teacher is trained on the same data, alone: leave it out")
    _update(alone, entry.before.to_dict(), path)
    return alone


def _update(section: ConfigDict, values: Mapping[str, Any], path: str) -> None:
    """Sets the values of a section, and those of the sections in it; new keys are left to `check` to refuse."""
    for key, value in values.items():
        there = section.get(key)
        if isinstance(there, ConfigDict) and isinstance(value, Mapping):
            _update(there, value, f"{path}.{key}")
            continue
        try:
            section[key] = value
        except (TypeError, ValueError) as error:
            kind = "a section" if isinstance(there, ConfigDict) else f"a value of type {type(there).__name__}"
            raise UserError(f"{path}.{key} is {value!r}: it must be {kind}") from error
