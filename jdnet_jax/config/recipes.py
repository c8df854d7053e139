"""Recipes: applying one to a config, and checking that a config still is the recipe it names.

`recipe_table` defines them. This module imports neither JAX nor TensorFlow, so that `--help` answers
at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import acts
from jdnet_jax.config.keys import COUPLINGS, PROBE
from jdnet_jax.config.recipe_table import BEFORE, FROZEN, KEPT, LEARNING, MIXED, NONE, OFFERED, ON, RECIPES
from jdnet_jax.config.routing import ROUTING, STUDENT, TEACHER
from jdnet_jax.process.errors import UserError, unknown

#: The recipes whose teachers are trained already.
TRAINED_BEFORE = tuple(name for name, row in RECIPES.items() if row.teachers in (FROZEN, BEFORE))
#: MEAL's recipes.
MEAL_RECIPES = tuple(name for name in RECIPES if name.startswith("meal"))


def text() -> str:
    """The list of the recipes: names, each with a one-line description."""
    widest = max(map(len, RECIPES))
    return "\n".join(f"  {name:<{widest}}  {row.what}" for name, row in RECIPES.items())


def apply_recipe(config: ConfigDict, recipe: str) -> ConfigDict:
    """Turns a config into one of the recipes at equal budget, data order and initialisation.

    Keys that the table does not set stay unchanged. The strength r of each coupling's gradient into each teacher is set
    explicitly, so that flags can change it. Frozen teachers, and those of `jdnet_trained` and its parts, that
    `config.teachers.*.init` gives no trained weights are trained first (`teachers_first`).

    Raises:
        UserError: unknown recipe.
    """
    if recipe not in RECIPES:
        raise UserError(unknown("recipe", recipe, RECIPES))
    row = RECIPES[recipe]
    config.recipe = recipe
    for name, entry in config.losses.items():
        rule = row.terms.get(name)
        if rule is None:
            entry.weight = 0.0
        elif rule in (ON, OFFERED):
            entry.weight = entry.weight or 1.0
    if row.teachers in (NONE, FROZEN):
        config.groups = _without(config.groups, config.teachers)
    if row.teachers == NONE:
        for entry in config.losses.values():
            entry.routing = _without(entry.routing, config.teachers)
        config.blocks.stages = _without(config.blocks.stages, config.teachers)
        config.teachers = ConfigDict()
    if row.teachers == FROZEN:
        for entry in config.teachers.values():
            entry.trainable = False
    config.resolutions = {name: config.resolutions.get(name, 0) for name in (STUDENT, *config.teachers)}
    for term in COUPLINGS:
        r = dict.fromkeys(config.teachers, ROUTING[term][TEACHER])
        config.losses[term].routing = {**r, **config.losses[term].routing}
    for key in row.holds:
        section, _, name = key.partition(".")
        if section == "augment":  # is meant for the student: a teacher that is trained first keeps the config's
            for entry in config.teachers.values():
                entry.before[section] = {name: config[section][name], **entry.before.get(section, {})}
    for key, value in {"teacher_selection": "all", **row.sets, **row.holds}.items():
        for section, name in _places(config, key):
            section[name] = value(config) if callable(value) else value
    if row.teacher_rate:
        for name in config.teachers:
            if name not in config.groups:
                rate = row.teacher_rate * config.schedule.get_ref("learning_rate")  # moves with a flag
                config.groups[name] = {"schedule": {"learning_rate": rate}}
    return config


def check(config: ConfigDict, *, weights: bool = True) -> None:
    """Checks that a config is the recipe that it names, because tables show that name.

    Args:
        config: with its teachers, losses and routing.
        weights: whether the student of recipe `probe` must have weights to begin with.

    Raises:
        UserError: the teachers, weights or routing of a config are not those of its recipe, or `probe` has a student
            without weights.
    """
    recipe = config.recipe
    if recipe not in RECIPES:
        raise UserError(f"config.recipe: {unknown('recipe', recipe, RECIPES)}")
    if not _is(config, recipe):
        raise UserError(
            f"config.recipe is {recipe!r}, but its teachers, weights or routing are not those of that recipe: run "
            f"--config=FILE:RECIPE with one of {', '.join(RECIPES)}"
        )
    if weights and recipe == PROBE and config.student.init == "random":
        raise UserError("config.student.init is random: recipe probe needs pretrained weights, such as init='imagenet'")


def _is(config: ConfigDict, recipe: str) -> bool:
    row = RECIPES[recipe]
    frozen = [not entry.trainable for entry in config.teachers.values()]
    if row.teachers == NONE:
        return not frozen  # without a teacher no term but cross-entropy acts
    fits = {LEARNING: not any(frozen), BEFORE: not any(frozen), FROZEN: all(frozen)}
    fits[MIXED] = any(frozen) and not all(frozen)
    if not frozen or not fits.get(row.teachers, True):
        return False
    for name, entry in config.losses.items():
        rule = row.terms.get(name)
        if (rule is None and acts(entry)) or (rule in (ON, KEPT) and not acts(entry)):
            return False
    return all(
        _same(section.get(name, _unwritten(key)), value)
        for key, value in row.holds.items()
        for section, name in _places(config, key)
    )


def _same(current: Any, value: Any) -> bool:
    return len(current) == len(value) if isinstance(value, tuple) else current == value


def _unwritten(key: str) -> float | None:
    """The default of a key that a config may lack: the routing table's value."""
    _, term, section, *_ = (*key.split("."), "", "")
    return ROUTING[term][TEACHER] if section == "routing" else None


def _places(config: ConfigDict, key: str) -> Iterator[tuple[Any, str]]:
    """The section and name of a dotted key; for a key that ends in `*`, those of each teacher."""
    *path, last = key.split(".")
    section = config
    for part in path:
        section = section[part]
    for name in config.teachers if last == "*" else (last,):
        yield section, name


def _without(section: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key.partition("/")[0] not in names}  # and heads
