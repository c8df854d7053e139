"""The checks of a config that are made before anything is allocated.

This module imports neither JAX nor TensorFlow, so that a mistyped key answers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config import default, recipes, teacher, teachers_first
from jdnet_jax.config.defaults import acts, group_settings, head_of
from jdnet_jax.config.keys import KEYS, PROBE
from jdnet_jax.config.options import DATASET_OPTIONS, NETWORK_OPTIONS
from jdnet_jax.config.routing import ENSEMBLE, OWN_GROUPS, STUDENT
from jdnet_jax.config.views import PHOTO
from jdnet_jax.process.errors import UserError, unknown
from jdnet_jax.process.printable import printable


def check(config: ConfigDict, *, weights: bool = True) -> None:
    """Checks keys, types and values, without touching data or a device.

    Args:
        config: config of a run.
        weights: whether the student of recipe `probe` must have weights to begin with.

    Raises:
        UserError: names the first key that is wrong, what it is, and what it may be.
    """
    _same_keys(config, default(), "config", open_keys={"teachers", "groups", "resolutions", "stages"})
    _check_teachers(config)
    for name, key in KEYS.items():
        for path, value in _values(config, name):
            key.values.check(f"config.{path}", value)
    _check_options(config)
    _require(config.steps > 0 or config.epochs > 0, "config.epochs", "is 0 and so is config.steps: set one of them")
    _require(
        config.batch_size % config.grad_accum == 0,
        "config.batch_size",
        f"is {config.batch_size}, which config.grad_accum = {config.grad_accum} does not divide",
    )
    _check_augment(config)
    _check_unlabelled(config)
    _check_balance(config)
    _check_decoded(config)
    for name, size in config.resolutions.items():
        _check_network(config, "config.resolutions", name)
        fits = size <= config.image_size
        _require(fits, f"config.resolutions.{name}", f"is {size}, more than config.image_size = {config.image_size}")
    _check_losses(config)
    _check_blocks(config)
    _check_frozen_teachers(config)
    recipes.check(config, weights=weights)
    _check_groups(config)
    _check_teachers_first(config)


def _check_teachers_first(config: ConfigDict) -> None:
    for name, entry in config.teachers.items():
        if not entry.before and name not in teachers_first.untrained(config):
            continue
        alone = teachers_first.of_teacher(config, name)
        with teachers_first.named(config, name):
            check(alone)


def _values(config: ConfigDict, name: str) -> list[tuple[str, Any]]:
    """The path and value of a key of `KEYS`; one pair for each entry if its name has a `*`."""
    values: list[tuple[str, Any]] = [("", config)]
    for part in name.split("."):
        values = [
            (f"{path}.{key}".removeprefix("."), section[key])
            for path, section in values
            for key in (section if part == "*" else (part,))
        ]
    return values


def _check_options(config: ConfigDict) -> None:
    """Checks the options of datasets and networks that `keys` knows; their builders check the others."""
    known = DATASET_OPTIONS.get(config.dataset.name, {})
    for option, value in config.dataset.options.items():
        if option in known:
            known[option].check(f"config.dataset.options.{option}", value)
    networks = {"student": config.student} | {f"teachers.{name}": entry for name, entry in config.teachers.items()}
    for name, network in networks.items():
        _check_network_options(f"config.{name}.options", network.options)


def _check_network_options(path: str, options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if option in NETWORK_OPTIONS:
            NETWORK_OPTIONS[option].check(f"{path}.{option}", value)
        elif isinstance(value, Mapping | ConfigDict):  # of a branch
            _check_network_options(f"{path}.{option}", value)


def _check_augment(config: ConfigDict) -> None:
    augment = config.augment
    for key in ("crop_scale", "crop_ratio"):
        low, high = augment[key]
        _require(low <= high, f"config.augment.{key}", f"is {tuple(augment[key])}: it must be (lowest, highest)")
    for key in ("mixup", "cutmix"):
        alpha = augment[key]
        # Below, draws of the distribution underflow.
        _require(alpha == 0 or alpha >= 0.01, f"config.augment.{key}", f"is {alpha}: it must be 0 or at least 0.01")
    for key, moves in (("rand_augment.layers", augment.rand_augment.layers), ("pad", augment.pad)):
        _require(
            config.dataset.view == PHOTO or moves == 0,
            f"config.augment.{key}",
            f"must be 0 with config.dataset.view={config.dataset.view!r}: it moves pixels of photos and not of masks",
        )


def _check_unlabelled(config: ConfigDict) -> None:
    path = "config.dataset.unlabelled"
    if not config.dataset.unlabelled:
        return
    view, augment = config.dataset.view, config.augment
    _require(view == PHOTO, path, f"needs config.dataset.view={PHOTO!r}, not {view!r}: such photos have no masks")
    mixes = bool(augment.mixup or augment.cutmix) and augment.mix_probability > 0
    _require(not mixes, path, "does not go with mixup and CutMix, which mix labels: set both to 0 in config.augment")
    taught = len(config.teachers) > 0 and any(acts(entry) for name, entry in config.losses.items() if name != "ce")
    _require(taught, path, f"needs a term between student and teacher; recipe {config.recipe} has none: leave it empty")


def _check_balance(config: ConfigDict) -> None:
    sampling, weighing = config.dataset.balance, config.losses.ce.options.balance
    message = "and config.dataset.balance both compensate for the imbalance of the classes: set one of them to 0"
    _require(not (sampling and weighing), "config.losses.ce.options.balance", message)
    message = f"weights cross-entropy, which recipe {config.recipe} has not: set it to 0"
    _require(acts(config.losses.ce) or not weighing, "config.losses.ce.options.balance", message)
    if config.recipe == PROBE:
        for path, value in (("dataset.balance", sampling), ("losses.ce.options.balance", weighing)):
            _require(not value, f"config.{path}", "must be 0 with recipe probe, which looks at each photo once")


def _check_decoded(config: ConfigDict) -> None:
    path = "config.dataset.cache"
    if config.dataset.cache != "decoded":
        return
    view = config.dataset.view
    _require(view == PHOTO, path, f"'decoded' keeps no masks, which config.dataset.view={view!r} needs: set it to True")
    _require(
        not config.dataset.unlabelled, path, "'decoded' does not go with config.dataset.unlabelled: set it to True"
    )


def _check_teachers(config: ConfigDict) -> None:
    for name, entry in config.teachers.items():
        _require(
            isinstance(entry, Mapping | ConfigDict),
            f"config.teachers.{name}",
            "is not a section: configs/README.md lists its keys",
        )
        _same_keys(entry, ConfigDict(teacher("")), f"config.teachers.{name}", open_keys={"options", "before"})
        reserved = name in (STUDENT, ENSEMBLE, *OWN_GROUPS) or "/" in name or "." in name or name != printable(name)
        _require(
            not reserved, f"config.teachers.{name}", "is not a valid name for a teacher: choose letters and digits"
        )


def _check_network(config: ConfigDict, path: str, name: str, *others: str) -> None:
    known = (STUDENT, *config.teachers, *others)
    if name not in known:
        raise UserError(f"{path}.{name}: {unknown('network', name, known)}")


def _check_losses(config: ConfigDict) -> None:
    losses = config.losses
    for term, entry in losses.items():
        for network in entry.routing:
            _check_network(config, f"config.losses.{term}.routing", network, *OWN_GROUPS)
    mskd = losses.mskd.options
    path = "config.losses.mskd.options"
    one_sign = min(mskd.stages) >= 0 or max(mskd.stages) < 0
    message = f"is {tuple(mskd.stages)}: it must be distinct integers, from 0, the shallowest, or from -1, the deepest"
    _require(one_sign and len(set(mskd.stages)) == len(mskd.stages), f"{path}.stages", message)
    dist = losses.dist.options
    _require(dist.beta + dist.gamma > 0, "config.losses.dist.options.beta", "and gamma are 0: set one of them")
    _check_weights(f"{path}.stage_weights", mskd.stage_weights, len(mskd.stages), "stages")
    acting = [name for name, entry in losses.items() if acts(entry) and (name == "ce" or len(config.teachers))]
    _require(bool(acting), "config.losses", "leave nothing to train: every term that applies has weight 0")
    reached = acting != ["ce"] or losses.ce.routing.get(STUDENT, 1.0) > 0
    _require(reached, "config.losses.ce.routing.student", "is 0, and no other term trains the student: remove it")


def _check_blocks(config: ConfigDict) -> None:
    """Checks the blocks and the weights of the terms that compare them."""
    what = "blocks (config.blocks.lengths, then the logits)"
    for term, key in (("similarity", "gammas"), ("adversarial", "etas")):
        weights = config.losses[term].options[key]
        _check_weights(f"config.losses.{term}.options.{key}", weights, len(config.blocks.lengths) + 1, what)
    for name in config.blocks.stages:
        _check_network(config, "config.blocks.stages", name)


def _check_weights(path: str, weights: Any, count: int, what: str) -> None:
    fits = not weights or (len(weights) == count and sum(weights) > 0)
    message = f"is {tuple(weights)}: it must be empty, or one number not negative for each of the {count} {what}"
    _require(fits, path, message)


def _check_frozen_teachers(config: ConfigDict) -> None:
    """Checks that the terms have teachers to work on: MEAL's need frozen ones, MSKD and IAL separate ones."""
    losses = config.losses
    frozen = [name for name, entry in config.teachers.items() if not entry.trainable]
    for name in ("similarity", "adversarial"):
        used = acts(losses[name])
        message = "needs a frozen teacher: set config.teachers.NAME.trainable=False, or this weight to 0"
        _require(not used or bool(frozen), f"config.losses.{name}.weight", message)
    for name in ("mskd", "ial"):
        used = acts(losses[name]) and config.teacher_selection != "all" and len(frozen) == len(config.teachers) > 0
        message = f"has no teacher: with config.teacher_selection = {config.teacher_selection!r} it leaves "
        _require(not used, f"config.losses.{name}.weight", f"{message}frozen teachers out; set it to 0")


def _check_groups(config: ConfigDict) -> None:
    for name, entry in config.groups.items():
        path = f"config.groups.{name}"
        _require(isinstance(entry, Mapping | ConfigDict), path, "is not a section: configs/README.md lists its keys")
        _check_network(config, "config.groups", name, *OWN_GROUPS, *map(head_of, (STUDENT, *config.teachers)))
        for part, settings in entry.items():
            is_section = part not in ("optimizer", "schedule") or isinstance(settings, Mapping | ConfigDict)
            _require(is_section, f"{path}.{part}", "is not a section: configs/README.md lists its keys")
        network = name.partition("/")[0]
        frozen = network in config.teachers and not config.teachers[network].trainable
        _require(not frozen, path, "is for a frozen teacher, which has no optimiser: remove it")
        merged = group_settings(config, name)
        for part, part_settings in merged.items():
            _same_keys(ConfigDict(part_settings), config[part], f"{path}.{part}")
            for key, value in part_settings.items():
                KEYS[f"{part}.{key}"].values.check(f"{path}.{part}.{key}", value)
        _same_keys(ConfigDict(entry), ConfigDict({"optimizer": {}, "schedule": {}}), path, partial=True)
        _require(
            network == name or "clip_norm" not in entry.get("optimizer", {}),
            f"{path}.optimizer.clip_norm",
            f"applies to the whole network's gradient: set it in config.groups.{network}",
        )


def _same_keys(
    config: ConfigDict, reference: ConfigDict, path: str, open_keys: Iterable[str] = (), partial: bool = False
) -> None:
    """Raises where `config` has a key that `reference` lacks, lacks one that it has, or where a section is a value."""
    for key in config:
        if key not in reference:
            raise UserError(f"{path}.{key}: {unknown('key', key, sorted(reference))}")
    for key in reference:
        if key not in config:
            if partial:
                continue
            raise UserError(f"{path}.{key} is missing: start from jdnet_jax.config.default()")
        if key == "init" and isinstance(config[key], Mapping | ConfigDict):
            continue  # a source for each branch: `branches.check` knows them
        is_section = isinstance(reference[key], Mapping | ConfigDict)
        if is_section != isinstance(config[key], Mapping | ConfigDict):
            expected = "a section with keys" if is_section else "a single value"
            raise UserError(f"{path}.{key} is {config[key]!r}: it must be {expected}")
        if is_section and key not in open_keys and key not in ("options", "routing") and not partial:
            _same_keys(config[key], reference[key], f"{path}.{key}", open_keys)
    # Loss options are closed: each term knows which it has.
    if path.startswith("config.losses."):
        _same_open(config, reference, path)


def _same_open(config: ConfigDict, reference: ConfigDict, path: str) -> None:
    for key in config.get("options", {}):
        if key not in reference.options:
            raise UserError(f"{path}.options.{key}: {unknown('option', key, sorted(reference.options))}")
    for key in reference.get("options", {}):
        _require(key in config.options, f"{path}.options.{key}", "is missing")


def _require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise UserError(f"{path} {message}")
