"""The default config, and values derived from a config; `keys` has the keys, `recipes` the recipes, `check` the checks.

This module imports neither JAX nor TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_collections import ConfigDict, FieldReference

from jdnet_jax.config.keys import KEYS, PROBE
from jdnet_jax.config.routing import DISCRIMINATORS, STUDENT
from jdnet_jax.config.values import YesNoOr


def default() -> ConfigDict:
    """All keys of `keys.KEYS` with their defaults, and one teacher. `check.check` refuses keys that are not there."""
    config = ConfigDict()
    for name, key in KEYS.items():
        *sections, last = name.replace("*", "teacher").split(".")
        owner = config
        for section in sections:
            owner[section] = owner.get(section, ConfigDict())
            owner = owner[section]
        several = isinstance(key.values, YesNoOr)
        owner[last] = FieldReference(key.default, field_type=object) if several else copy.copy(key.default)
    return config


def teacher(
    model: str, init: str = "random", trainable: bool = True, before: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The entry of one teacher in `config.teachers`."""
    return {
        "model": model,
        "init": init,
        "options": options,
        "trainable": trainable,
        "before": dict(before or {}),
    }


def acts(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `config.losses` turns its term on, given a teacher for it."""
    return entry["weight"] > 0 and entry["options"].get("mode") != "none"


def head_of(network: str) -> str:
    """The name in `config.groups` of a network's classifier."""
    return f"{network}/head"


def group_settings(config: ConfigDict, name: str) -> dict[str, Mapping[str, Any]]:
    """`optimizer` and `schedule` of one network or group: the config's, overridden by `config.groups[name]`.

    Those of a classifier (`head_of`) are its network's, overridden likewise. If the adversarial term is faithful, the
    discriminators have the student's schedule.
    """
    network = name.partition("/")[0]
    group, head = dict(config.groups.get(network, {})), config.groups.get(name, {}) if name != network else {}
    overrides = {part: {**group.get(part, {}), **head.get(part, {})} for part in ("optimizer", "schedule")}
    if name == DISCRIMINATORS and config.losses.adversarial.options.faithful:
        overrides["schedule"] = config.groups.get(STUDENT, {}).get("schedule", {})
    settings: dict[str, Mapping[str, Any]] = {}
    for part in ("optimizer", "schedule"):
        settings[part] = {**config[part].to_dict(), **overrides[part]}
    return settings


def eval_image_size(config: ConfigDict) -> int:
    """The side in pixels of the views that networks are evaluated on."""
    return config.get("eval_image_size", 0) or config.image_size  # a run of an earlier version has none


def total_steps(config: ConfigDict, train_size: int) -> int:
    """Length of a run in optimiser steps: `steps`, or `epochs` of `train_size` photos, rounded up; 1 for a probe."""
    if config.recipe == PROBE:
        return 1
    return config.steps or max(1, math.ceil(config.epochs * train_size / config.batch_size))


@dataclass(frozen=True)
class Periods:
    """The periods of a run, in steps: logging, evaluation, checkpoints.

    Attributes:
        evaluate: between two evaluations on val.
        checkpoint: between two checkpoints.
        keep: checkpoints at its multiples are made, and kept for good; 0 = none.
    """

    evaluate: int
    checkpoint: int
    keep: int

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is made after this step."""
        return step % self.checkpoint == 0 or (self.keep > 0 and step % self.keep == 0)


def periods(config: ConfigDict, train_size: int) -> Periods:
    """The periods of a run over `train_size` examples."""
    evaluate = config.eval_every or max(1, train_size // config.batch_size)
    return Periods(evaluate, config.checkpoint_every or evaluate, config.keep_every)


#: Keys that earlier versions had, by their last name, and the value with which they changed nothing.
_REMOVED = {"share": 0.0, "share_every": 20}


def filled(config: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """A config of an earlier version, completed with the defaults of new keys; no network is added.

    Keys that are removed since are left out where they changed nothing.

    Args:
        config: resolved, as nested plain mappings.
        usual: all keys with their defaults, likewise.
    """
    closed = bool(usual)  # the others name networks or options
    kept = {key: v for key, v in config.items() if key in usual or not closed or (key, v) not in _REMOVED.items()}
    whole = {key: value for key, value in usual.items() if key not in config} | kept
    for key, value in usual.items():
        if not isinstance(value, Mapping) or not isinstance(whole[key], Mapping):
            continue
        if key == "teachers":
            (new,) = value.values()
            whole[key] = {n: {**new, **old} if isinstance(old, Mapping) else old for n, old in whole[key].items()}
        else:
            whole[key] = filled(whole[key], value)
    return whole


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values differ between two resolved configs (nested plain mappings)."""
    names = []
    for key in sorted({*ours, *theirs}):
        name = f"{prefix}{key}"
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            names += differences(a, b, f"{name}.")
        elif a != b:
            names.append(name)
    return names
