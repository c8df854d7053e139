"""The checks of a config that are made before anything is allocated.

This module imports neither JAX nor TensorFlow, so that a mistyped key answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config import default, recipes, teacher
from jdnet_jax.config.defaults import (
    BLOCK_DISTANCES,
    BLOCK_POOLS,
    DISTILL_VARIANTS,
    DTYPES,
    FITS,
    IAL_VARIANTS,
    MSKD_VARIANTS,
    NON_FINITE,
    OPTIMIZERS,
    SCHEDULES,
    WEIGHT_SCHEDULES,
    acts,
    group_settings,
    head_of,
)
from jdnet_jax.config.routing import ADVERSARIAL_MODES, ENSEMBLE, OWN_GROUPS, ROUTING, SELECTIONS, STUDENT
from jdnet_jax.config.views import PHOTO, VIEWS
from jdnet_jax.process.errors import UserError, unknown


def check(config: ConfigDict, *, weights: bool = True) -> None:
    """Checks keys, types and values, without touching data or a device.

    Args:
        config: of a run.
        weights: whether it must name the weights of teachers that its recipe has trained before.

    Raises:
        UserError: names the first key that is wrong, what it is, and what it may be.
    """
    reference = default()
    _same_keys(config, reference, "config", open_keys={"teachers", "groups", "resolutions", "stages"})
    _choice("config.teacher_selection", config.teacher_selection, SELECTIONS)
    _choice("config.compute_dtype", config.compute_dtype, DTYPES)
    _choice("config.fit", config.fit, FITS)
    _choice("config.select", config.select, ("best", "last"))
    _choice("config.on_non_finite", config.on_non_finite, NON_FINITE)
    for key in (
        "image_size",
        "batch_size",
        "grad_accum",
        "log_every",
        "share_every",
        "keep_checkpoints",
        "max_skips",
        "max_roll_backs",
    ):
        _number(f"config.{key}", config[key], low=1)
    _whole("config.eval_image_size", config.eval_image_size, low=0)
    for key in (
        "eval_batch_size",
        "steps",
        "eval_every",
        "checkpoint_every",
        "keep_every",
        "snapshots",
        "gradient_report",
    ):
        _number(f"config.{key}", config[key], low=0)
    _number("config.seed", config.seed, low=0, high=2**32 - 1)  # JAX's keys hold no more
    _number("config.epochs", config.epochs, low=0)
    _require(config.steps > 0 or config.epochs > 0, "config.epochs", "is 0 and so is config.steps: set one of them")
    _number("config.ema_decay", config.ema_decay, low=0, high=1, open_high=True)
    _number("config.crop_fraction", config.crop_fraction, low=0.1, high=1)
    _require(
        config.batch_size % config.grad_accum == 0,
        "config.batch_size",
        f"is {config.batch_size}, which config.grad_accum = {config.grad_accum} does not divide",
    )
    _check_dataset(config)
    _check_augment(config.augment)
    for key, moves in (("rand_augment.layers", config.augment.rand_augment.layers), ("pad", config.augment.pad)):
        _require(
            config.dataset.view == PHOTO or moves == 0,
            f"config.augment.{key}",
            f"must be 0 with config.dataset.view={config.dataset.view!r}: it moves pixels of photos and not of masks",
        )
    _check_teachers(config)
    for name, size in config.resolutions.items():
        if name not in (STUDENT, *config.teachers):
            raise UserError(f"config.resolutions.{name}: {unknown('network', name, (STUDENT, *config.teachers))}")
        _whole(f"config.resolutions.{name}", size, low=0)
        _number(f"config.resolutions.{name}", size, high=config.image_size)
    _check_losses(config)
    _check_blocks(config)
    _check_frozen_teachers(config)
    recipes.check(config, weights=weights)
    _check_optimizer("config", config.optimizer, config.schedule)
    networks = (STUDENT, *config.teachers)
    known = {*OWN_GROUPS, *networks, *map(head_of, networks)}
    for name, entry in config.groups.items():
        _require(isinstance(entry, Mapping | ConfigDict), f"config.groups.{name}", "is not a section: see config.py")
        if name not in known:
            raise UserError(f"config.groups.{name}: {unknown('network', name, sorted(known))}")
        for part, settings in entry.items():
            is_section = part not in ("optimizer", "schedule") or isinstance(settings, Mapping | ConfigDict)
            _require(is_section, f"config.groups.{name}.{part}", "is not a section: see config.py")
        network = name.partition("/")[0]
        frozen = network in config.teachers and not config.teachers[network].trainable
        _require(not frozen, f"config.groups.{name}", "is for a frozen teacher, which has no optimiser: remove it")
        merged = group_settings(config, name)
        for part, settings in merged.items():
            _same_keys(ConfigDict(settings), config[part], f"config.groups.{name}.{part}")
        _same_keys(
            ConfigDict(entry), ConfigDict({"optimizer": {}, "schedule": {}}), f"config.groups.{name}", partial=True
        )
        _check_optimizer(f"config.groups.{name}", merged["optimizer"], merged["schedule"])
        _require(
            network == name or "clip_norm" not in entry.get("optimizer", {}),
            f"config.groups.{name}.optimizer.clip_norm",
            f"is of the whole network's gradient: set it in config.groups.{network}",
        )


def _check_dataset(config: ConfigDict) -> None:
    _require(bool(config.dataset.name), "config.dataset.name", "is empty: name a dataset, such as 'food101'")
    _choice("config.dataset.view", config.dataset.view, VIEWS)
    _number("config.dataset.shuffle_buffer", config.dataset.shuffle_buffer, low=1)
    _check_unlabelled(config)
    for role in ("train", "val", "test"):
        _require(bool(config.dataset.splits[role]), f"config.dataset.splits.{role}", "is empty: name a TFDS split")


def _check_unlabelled(config: ConfigDict) -> None:
    folder, share = config.dataset.unlabelled, config.dataset.unlabelled_share
    path = "config.dataset.unlabelled"
    _require(isinstance(folder, str), path, f"is {folder!r}: it must be a folder's path, or empty")
    _number(f"{path}_share", share, low=0, high=1, open_high=True)
    _require(share > 0, f"{path}_share", "is 0: leave config.dataset.unlabelled empty instead")
    if not folder:
        return
    view, augment = config.dataset.view, config.augment
    _require(view == PHOTO, path, f"needs config.dataset.view={PHOTO!r}, not {view!r}: such photos have no masks")
    mixes = bool(augment.mixup or augment.cutmix) and augment.mix_probability > 0
    _require(not mixes, path, "does not go with mixup and CutMix, which mix labels: set both to 0 in config.augment")
    taught = len(config.teachers) > 0 and any(acts(entry) for name, entry in config.losses.items() if name != "ce")
    _require(taught, path, f"needs a term between student and teacher; recipe {config.recipe} has none: leave it empty")


def _check_augment(augment: ConfigDict) -> None:
    for key, low, high in (("crop_scale", 0.0, 1.0), ("crop_ratio", 0.0, math.inf)):
        pair = augment[key]
        _numbers(f"config.augment.{key}", pair)
        fits = len(pair) == 2 and low < pair[0] <= pair[1] <= high
        _require(
            fits, f"config.augment.{key}", f"is {tuple(pair)}: it must be (low, high), above {low}, at most {high}"
        )
    for key, strength in augment.color_jitter.items():
        _number(f"config.augment.color_jitter.{key}", strength, low=0, high=1)
    _whole("config.augment.rand_augment.layers", augment.rand_augment.layers, low=0)
    _number("config.augment.rand_augment.magnitude", augment.rand_augment.magnitude, low=0, high=30)
    _whole("config.augment.pad", augment.pad, low=0)
    for key in ("erasing", "mix_probability"):
        _number(f"config.augment.{key}", augment[key], low=0, high=1)
    for key in ("mixup", "cutmix"):
        alpha = augment[key]
        _number(f"config.augment.{key}", alpha, low=0)
        # Below, draws of the distribution underflow.
        _require(alpha == 0 or alpha >= 0.01, f"config.augment.{key}", f"is {alpha}: it must be 0 or at least 0.01")
    _whole("config.augment.repeats", augment.repeats, low=1)


def _check_teachers(config: ConfigDict) -> None:
    for name, entry in config.teachers.items():
        _same_keys(entry, ConfigDict(teacher("")), f"config.teachers.{name}", open_keys={"options"})
        reserved = name in (STUDENT, ENSEMBLE, *OWN_GROUPS) or "/" in name or "." in name
        _require(not reserved, f"config.teachers.{name}", "is not a name that a teacher can have")


def _check_losses(config: ConfigDict) -> None:
    networks = {STUDENT, *OWN_GROUPS, *config.teachers}
    for name, entry in config.losses.items():
        path = f"config.losses.{name}"
        _number(f"{path}.weight", entry.weight, low=0)
        _number(f"{path}.share", entry.share, low=0)
        if entry.share > 0:
            _check_share(f"{path}.share", name, config)
        _choice(f"{path}.schedule.name", entry.schedule.name, WEIGHT_SCHEDULES)
        _number(f"{path}.schedule.warmup", entry.schedule.warmup, low=0, high=1)
        for network, strength in entry.routing.items():
            if network not in networks:
                raise UserError(f"{path}.routing.{network}: {unknown('network', network, sorted(networks))}")
            _number(f"{path}.routing.{network}", strength)
    losses = config.losses
    for term in ("ce", "distill"):
        smoothing = losses[term].options.label_smoothing
        _number(f"config.losses.{term}.options.label_smoothing", smoothing, 0, 1, open_high=True)
    _number("config.losses.kl.options.temperature", losses.kl.options.temperature, low=1e-3)
    dist = losses.dist.options
    _number("config.losses.dist.options.temperature", dist.temperature, low=1e-3)
    for key in ("beta", "gamma"):
        _number(f"config.losses.dist.options.{key}", dist[key], low=0)
    _require(dist.beta + dist.gamma > 0, "config.losses.dist.options.beta", "and gamma are 0: set one of them")
    distill = losses.distill.options
    _choice("config.losses.distill.options.variant", distill.variant, DISTILL_VARIANTS)
    _number("config.losses.distill.options.temperature", distill.temperature, low=1e-3)
    _number("config.losses.distill.options.share", distill.share, low=0, high=1)
    _choice("config.losses.ial.options.variant", losses.ial.options.variant, IAL_VARIANTS)
    _number("config.losses.ial.options.temperature", losses.ial.options.temperature, low=1e-3)
    mskd = losses.mskd.options
    _choice("config.losses.mskd.options.variant", mskd.variant, MSKD_VARIANTS)
    _require(len(mskd.stages) > 0, "config.losses.mskd.options.stages", "is empty: name at least one stage")
    whole = len(set(mskd.stages)) == len(mskd.stages) and all(isinstance(s, int) for s in mskd.stages)
    distinct = whole and (min(mskd.stages) >= 0 or max(mskd.stages) < 0)
    message = f"is {tuple(mskd.stages)}: it must be distinct integers, from 0, the shallowest, or from -1, the deepest"
    _require(distinct, "config.losses.mskd.options.stages", message)
    weights = mskd.stage_weights
    _numbers("config.losses.mskd.options.stage_weights", weights)
    fits = not weights or (len(weights) == len(mskd.stages) and min(weights) >= 0 and sum(weights) > 0)
    _require(
        fits,
        "config.losses.mskd.options.stage_weights",
        f"is {tuple(weights)}: it must be empty, or one number not negative for each of the {len(mskd.stages)} stages",
    )
    acting = [name for name, entry in losses.items() if acts(entry) and (name == "ce" or len(config.teachers))]
    _require(bool(acting), "config.losses", "leave nothing to train: every term that applies has weight 0")


def _check_share(path: str, name: str, config: ConfigDict) -> None:
    def strength(term: str) -> float:
        return config.losses[term].routing.get(STUDENT, ROUTING[term][STUDENT])

    _require(name != "ce", path, "is a share of cross-entropy's gradient, which is this one: set the weight instead")
    message = (
        f"is for a term that sends the student a gradient: set config.losses.{name}.routing.student, or the share to 0"
    )
    _require(strength(name) != 0, path, message)
    _require(
        config.losses.ce.weight > 0 and strength("ce") != 0,
        path,
        f"is a share of cross-entropy's gradient, and recipe {config.recipe} has none: set the weight instead",
    )


def _check_blocks(config: ConfigDict) -> None:
    """The blocks, and the options of the terms that compare them."""
    blocks, similarity, adversarial = config.blocks, config.losses.similarity.options, config.losses.adversarial.options
    _choice("config.blocks.pool", blocks.pool, BLOCK_POOLS)
    _choice("config.losses.similarity.options.distance", similarity.distance, BLOCK_DISTANCES)
    _choice("config.losses.adversarial.options.mode", adversarial.mode, ADVERSARIAL_MODES)
    path = "config.losses.adversarial.options"
    _require(isinstance(adversarial.faithful, bool), f"{path}.faithful", f"is {adversarial.faithful!r}, not a bool")
    for key, values in (("config.blocks.lengths", blocks.lengths), (f"{path}.divisors", adversarial.divisors)):
        _numbers(key, values)
        for value in values:
            _whole(key, value, low=1)
    _require(len(adversarial.divisors) == 2, f"{path}.divisors", "must be two numbers, for two hidden layers")
    count = len(blocks.lengths) + 1
    for key, values in (
        ("similarity.options.gammas", similarity.gammas),
        ("adversarial.options.etas", adversarial.etas),
    ):
        _numbers(f"config.losses.{key}", values)
        fits = not values or (len(values) == count and min(values) >= 0 and sum(values) > 0)
        message = f"is {tuple(values)}: it must be empty, or one number not negative for each of the {count} blocks"
        _require(fits, f"config.losses.{key}", f"{message} (config.blocks.lengths, then the logits)")
    for name, stages in blocks.stages.items():
        if name not in (STUDENT, *config.teachers):
            raise UserError(f"config.blocks.stages.{name}: {unknown('network', name, (STUDENT, *config.teachers))}")
        _numbers(f"config.blocks.stages.{name}", stages)
        for stage in stages:
            _whole(f"config.blocks.stages.{name}", stage, low=0)


def _check_frozen_teachers(config: ConfigDict) -> None:
    """That the terms which need frozen teachers, and those which need others, have some."""
    losses = config.losses
    frozen = [name for name, entry in config.teachers.items() if not entry.trainable]
    for name in ("similarity", "adversarial"):
        used = acts(losses[name])
        message = "needs a frozen teacher: set config.teachers.NAME.trainable=False, or this weight to 0"
        _require(not used or bool(frozen), f"config.losses.{name}.weight", message)
    for name in ("mskd", "ial"):
        used = acts(losses[name]) and config.teacher_selection != "all" and len(frozen) == len(config.teachers) > 0
        message = f"has no teacher to work on: under config.teacher_selection = {config.teacher_selection!r} it leaves "
        _require(not used, f"config.losses.{name}.weight", f"{message}frozen teachers out; set it to 0")


def _check_optimizer(path: str, optimizer: Mapping[str, Any], schedule: Mapping[str, Any]) -> None:
    _choice(f"{path}.optimizer.name", optimizer["name"], OPTIMIZERS)
    for key in ("weight_decay", "clip_norm", "eps"):
        _number(f"{path}.optimizer.{key}", optimizer[key], low=0)
    for key in ("momentum", "b1", "b2"):
        _number(f"{path}.optimizer.{key}", optimizer[key], low=0, high=1, open_high=True)
    _choice(f"{path}.schedule.name", schedule["name"], SCHEDULES)
    for key in ("learning_rate", "initial", "final", "decay"):
        _number(f"{path}.schedule.{key}", schedule[key], low=0)
    _number(f"{path}.schedule.warmup", schedule["warmup"], low=0, high=1, open_high=True)
    _numbers(f"{path}.schedule.boundaries", schedule["boundaries"])
    for boundary in schedule["boundaries"]:
        _number(f"{path}.schedule.boundaries", boundary, low=0, high=1)


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
            expected = "a section with keys of its own" if is_section else "a single value"
            raise UserError(f"{path}.{key} is {config[key]!r}: it must be {expected}")
        if is_section and key not in open_keys and key not in ("options", "routing") and not partial:
            _same_keys(config[key], reference[key], f"{path}.{key}", open_keys)
    # Loss options are closed: each term knows its own.
    if path.startswith("config.losses."):
        _same_open(config, reference, path)


def _same_open(config: ConfigDict, reference: ConfigDict, path: str) -> None:
    for key in config.get("options", {}):
        if key not in reference.options:
            raise UserError(f"{path}.options.{key}: {unknown('option', key, sorted(reference.options))}")
    for key in reference.get("options", {}):
        _require(key in config.options, f"{path}.options.{key}", "is missing")


def _choice(path: str, value: object, known: Collection[str]) -> None:
    if value not in known:
        raise UserError(f"{path}: {unknown('value', value, known)}")


def _require(condition: bool, path: str, message: str) -> None:
    if not condition:
        raise UserError(f"{path} {message}")


def _numbers(path: str, values: Any) -> None:
    _require(isinstance(values, tuple | list), path, f"is {values!r}: it must be a tuple of numbers")
    for value in values:
        _number(path, value)


def _whole(path: str, value: object, low: int) -> None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= low
    _require(fits, path, f"is {value!r}: it must be a whole number of at least {low}")


def _number(path: str, value: object, low: float = -math.inf, high: float = math.inf, open_high: bool = False) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if fits and not (low <= value <= high and not (open_high and value == high)):  # type: ignore[operator]
        fits = False
    if not fits:
        bounds = "" if low == -math.inf else f" of at least {low:g}"
        bounds += "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"
        raise UserError(f"{path} is {value!r}: it must be a finite number{bounds}")
