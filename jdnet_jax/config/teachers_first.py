"""Teachers that are trained first: recipes that need a trained teacher, such as `kd` and `jdnet_trained`, get one.

This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import default
from jdnet_jax.config.keys import SEED
from jdnet_jax.config.recipes import TRAINED_BEFORE, apply_recipe
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.process.errors import UserError

# What the training alone has from the rest of the config.
_FIXED = ("recipe", "dataset", "student", "teachers")
# Between the seeds of a config's teachers: more than the seeds of any comparison.
_SEEDS_APART = 1_000_003


def untrained(config: Mapping[str, Any]) -> list[str]:
    """The teachers that have to be trained first: the recipe needs trained ones, and theirs are not.

    Weights of ImageNet, timm's among them, are those of a trained teacher on ImageNet alone: elsewhere its classifier
    is new, and so it is where `init` names weights for each branch. A run's folder, a file or another repository of the
    hub is taken for trained; a file without a classifier of the run's classes is refused when it is loaded.

    Args:
        config: config of a run, whole or as the plain content of `config.json`.
    """
    of_imagenet = config["dataset"]["name"].startswith("imagenet2012")
    all_of_them = config["recipe"] in TRAINED_BEFORE
    names = []
    for name, entry in config["teachers"].items():
        init = entry["init"]
        needed = all_of_them or not entry["trainable"]
        anew = not isinstance(init, str) or init == "random"  # whole, or what joins the branches
        general = not anew and (init == "imagenet" or init.startswith(("timm/", "hf-hub:timm/")))
        if needed and (anew or (general and not of_imagenet)):
            names.append(name)
    return names


def acting(config: Mapping[str, Any]) -> dict[str, Any]:
    """A plain config in which only teachers that are trained first have `before`: elsewhere it changes nothing."""
    first = untrained(config)
    teachers = {
        name: {**entry, "before": entry["before"] if name in first else {}}
        for name, entry in config["teachers"].items()
    }
    return {**config, "teachers": teachers}


def of_teacher(config: ConfigDict, name: str) -> ConfigDict:
    """The config that trains one teacher of a config alone, with cross-entropy.

    Budget, data, optimiser and schedule are the config's, but for the values in `config.teachers.NAME.before`, and its
    cross-entropy has weight 1. It is the same for all recipes of a config file, so that they can share the teacher.
    The config's second teacher and those after it have other seeds: of two alike each learns something of its own.
    `config.steps`, where it is not 0, counts here too instead of epochs, those of `before` included.

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
    ce = {**alone.losses.ce, "weight": 1.0, "routing": {}}
    alone.losses, alone.blocks = {**default().losses, "ce": ce}, default().blocks
    alone = apply_recipe(alone, "ce")
    alone.student = {"model": entry.model, "init": entry.init, "options": entry.options.to_dict()}
    alone.groups, alone.resolutions = {}, {STUDENT: size}
    alone.dataset.unlabelled = ""
    alone.probe, alone.gradient_report = False, 0
    alone.seed = (config.seed + _SEEDS_APART * list(config.teachers).index(name)) % (SEED.high + 1)
    for key in entry.before:
        if key in _FIXED:
            raise UserError(f"{path}.{key}: the teacher is trained on the same data, alone: leave it out")
    _update(alone, entry.before.to_dict(), path)
    return alone


def hand_over(config: ConfigDict, name: str, weights: Path | str) -> None:
    """Makes a teacher begin with other weights, such as those of the run that trained it.

    Args:
        config: changed in place.
        name: name of the teacher.
        weights: what its `init` becomes, such as that run's folder.
    """
    with config.teachers[name].ignore_type():  # it may have named weights for each branch
        config.teachers[name].init = str(weights)


@contextlib.contextmanager
def named(config: ConfigDict, name: str) -> Iterator[None]:
    """Prefixes a message about the config of a teacher's own training with where its values come from."""
    try:
        yield
    except UserError as error:
        before = ".before" if config.teachers[name].before else ""
        raise UserError(f"config.teachers.{name}{before}: {error}") from error


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
