"""The config of a run: every key with its default, and the recipes; `config_check` has the checks.

This module imports neither JAX nor TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.errors import UserError, unknown
from jdnet_jax.routing import ROUTING, STUDENT, TEACHER

COUPLINGS = ("mskd", "ial", "kl")  # the terms between the student and a teacher
MSKD_VARIANTS = ("cosine", "l2", "attention", "logits")
IAL_VARIANTS = ("l2", "kl")
WEIGHT_SCHEDULES = ("constant", "linear")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "constant", "step")
DTYPES = ("float32", "bfloat16")
NON_FINITE = ("stop", "skip", "roll_back")
RECIPES = ("jdnet", "ce", "kd", "dml", "at", "fitnet", "jdnet_oneway", "jdnet-mskd", "jdnet-ial")
FROM_FROZEN = ("kd", "at", "fitnet")  # recipes that distil from teachers that are trained already, and stay as they are


def default() -> ConfigDict:
    """All keys with their defaults. `config_check.check` refuses keys that are not here."""
    config = ConfigDict()
    config.recipe = "jdnet"  # one of RECIPES
    config.seed = 0

    config.dataset = ConfigDict()
    config.dataset.name = "synthetic_meals"
    config.dataset.data_dir = ""  # raw files for our builders, TFDS's data_dir for the others; "" = the default
    config.dataset.splits = ConfigDict({"train": "train", "val": "val", "test": "test"})
    config.dataset.options = ConfigDict()  # of the builder
    config.dataset.shuffle_buffer = 16384  # encoded examples
    config.dataset.cache = False  # keep the encoded photos of train and val in memory; refused where they do not fit

    config.augment = ConfigDict()
    config.augment.crop_scale = (0.35, 1.0)  # area of the random crop as a share of the photo
    config.augment.crop_ratio = (3 / 4, 4 / 3)  # width / height of the random crop
    config.augment.flip = True
    config.augment.color_jitter = ConfigDict({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0})
    config.augment.rand_augment = ConfigDict({"layers": 0, "magnitude": 9.0})  # layers 0 = off; magnitude 0 to 30
    config.augment.erasing = 0.0  # probability of random erasing
    config.augment.mixup, config.augment.cutmix = 0.0, 0.0  # alpha of Beta(alpha, alpha); 0 = off
    config.augment.mix_probability = 1.0  # share of the pairs of photos that mixup or CutMix mixes
    config.augment.repeats = 1  # augmented copies of each photo in a batch (repeated augmentation)

    config.image_size = 224
    # network name -> its own resolution: the same view, shrunk on the device; 0, or no entry = image_size.
    config.resolutions = ConfigDict()
    config.crop_fraction = 0.875  # evaluation: shorter side to image_size / crop_fraction, then the central square
    config.batch_size = 128  # global, training
    config.eval_batch_size = 0  # 0 = batch_size
    config.epochs = 10.0
    config.steps = 0  # 0 = from epochs

    config.student = ConfigDict({"model": "mobilenetv2_100", "init": "random", "options": {}})
    config.teachers = ConfigDict({"teacher": teacher("resnet50")})

    config.losses = ConfigDict({name: loss() for name in ("ce", "mskd", "ial", "kl")})
    config.losses.kl.weight = 0.0
    config.losses.ce.options = {"label_smoothing": 0.0}
    config.losses.mskd.options = {"variant": "cosine", "stages": (0, 1, 2, 3), "stage_weights": ()}
    config.losses.ial.options = {"variant": "l2"}
    config.losses.kl.options = {"temperature": 4.0}

    config.optimizer = ConfigDict()
    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.01  # kernels only: no decay on batch norm, biases and tokens
    config.optimizer.momentum = 0.9  # sgd
    config.optimizer.nesterov = True  # sgd
    config.optimizer.b1, config.optimizer.b2, config.optimizer.eps = 0.9, 0.999, 1e-8  # adamw
    config.optimizer.clip_norm = 0.0  # of each network's gradient; 0 = off

    config.schedule = ConfigDict()
    config.schedule.name = "cosine"
    config.schedule.learning_rate = 1e-3  # the peak
    config.schedule.warmup = 0.1  # share of the run
    config.schedule.initial = 0.04  # learning rate at step 0, as a share of the peak
    config.schedule.final = 0.0  # at the end, as a share of the peak (cosine)
    config.schedule.boundaries = (0.5, 0.75)  # shares of the run after which the rate is multiplied by decay (step)
    config.schedule.decay = 0.1

    # network or group name -> {"optimizer": {...}, "schedule": {...}}: the keys that differ from those above.
    config.groups = ConfigDict()

    config.ema_decay = 0.0  # exponential moving average of the student; 0 = off
    config.sync_batch_norm = False
    config.grad_accum = 1
    config.compute_dtype = "float32"

    config.eval_every = 0  # steps; 0 = once an epoch
    config.checkpoint_every = 0  # steps; 0 = at every evaluation
    config.log_every = 10  # steps
    config.keep_checkpoints = 2  # the newest; the best on val is kept beside them
    config.keep_every = 0  # steps; checkpoints at its multiples are made and kept too; 0 = none
    # What a loss, gradient or parameter that is not finite does: end the run; leave that step's update out; or send the
    # run back to the newest good checkpoint, and on from there with the data in another order.
    config.on_non_finite = "stop"
    config.max_skips = 10  # updates left out one after the other, before the run ends after all
    config.max_roll_backs = 3  # in the whole run
    config.select = "best"  # what is tested and handed off: the checkpoint best on val, or the last
    config.snapshots = 6  # evaluations at which activation maps are kept for the report; 0 = none
    return config


def teacher(model: str, init: str = "random", trainable: bool = True, **options: Any) -> dict[str, Any]:
    """The entry of one teacher in `config.teachers`."""
    return {"model": model, "init": init, "trainable": trainable, "options": options}


def loss(weight: float = 1.0) -> dict[str, Any]:
    """The entry of one term in `config.losses`: constant weight, the routing table's own strengths, no options.

    `routing` maps names of networks (`student`, a teacher, `adapters`) to the strength of the gradient that the term
    sends them, instead of the table's; `apply_recipe` writes each teacher's strength r there, to be seen and changed.
    """
    return {"weight": weight, "schedule": {"name": "constant", "warmup": 0.1}, "routing": {}, "options": {}}


def apply_recipe(config: ConfigDict, recipe: str) -> ConfigDict:
    """Turns a JDNet config into one of the controls at equal budget, data order and initialisation.

    `ce`: the student alone. `kd`, `at`, `fitnet`: one-way from frozen teachers, of which `config.teachers.*.init` must
    then name trained weights: by KL alone, by attention transfer, by a hint (see `_apply_features`). `dml`: Deep Mutual
    Learning (Zhang et al., CVPR 2018): KL both ways at full strength. `jdnet_oneway`: no gradient of the coupling terms
    into the teachers (r = 0). `jdnet-mskd` and `jdnet-ial`: JDNet without that term. `jdnet`: unchanged.

    Raises:
        UserError: unknown recipe.
    """
    if recipe not in RECIPES:
        raise UserError(unknown("recipe", recipe, RECIPES))
    config.recipe = recipe
    losses = config.losses
    trained = (STUDENT,) if recipe == "ce" else (STUDENT, *config.teachers)
    config.resolutions = {name: config.resolutions.get(name, 0) for name in trained}
    if recipe == "ce":
        for loss_entry in losses.values():
            loss_entry.routing = {k: v for k, v in loss_entry.routing.items() if k not in config.teachers}
        config.groups = {k: v for k, v in config.groups.items() if k not in config.teachers}
        config.teachers = ConfigDict()
        return config
    for term in COUPLINGS:
        strengths = dict.fromkeys(config.teachers, ROUTING[term][TEACHER])
        losses[term].routing = {**strengths, **losses[term].routing}
    match recipe:
        case "kd":
            losses.mskd.weight = losses.ial.weight = 0.0
            losses.kl.weight = losses.kl.weight or 1.0
        case "at" | "fitnet":
            _apply_features(losses, recipe)
        case "dml":
            losses.mskd.weight = losses.ial.weight = 0.0
            losses.kl.weight = losses.kl.weight or 1.0
            losses.kl.options.temperature = 1.0
            losses.kl.routing.update(dict.fromkeys(config.teachers, 1.0))
        case "jdnet_oneway":
            for term in COUPLINGS:
                losses[term].routing.update(dict.fromkeys(config.teachers, 0.0))
        case "jdnet-mskd":
            losses.mskd.weight = 0.0
        case "jdnet-ial":
            losses.ial.weight = 0.0
    if recipe in FROM_FROZEN:
        for entry in config.teachers.values():
            entry.trainable = False
        config.groups = {k: v for k, v in config.groups.items() if k not in config.teachers}
    return config


def _apply_features(losses: ConfigDict, recipe: str) -> None:
    """The two classics that distil feature maps alone, as variants of MSKD at constant weight.

    `at` (Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017): the attention maps of the config's
    stages. OURS: those stages, and the weight 1000, which suits the mean over positions that our distance takes.
    `fitnet` (Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015): a middle stage through an adapter. OURS:
    stage 1, the distance of maps of unit length, the config's weight of MSKD, and one phase: the hint beside
    cross-entropy from the first step to the last, where FitNets train the first layers by the hint before the rest.
    """
    losses.ial.weight = losses.kl.weight = 0.0
    losses.mskd.schedule.name = "constant"
    if recipe == "at":
        losses.mskd.options.variant, losses.mskd.weight = "attention", 1000.0
    else:
        losses.mskd.options.update(variant="l2", stages=(1,), stage_weights=())
        losses.mskd.weight = losses.mskd.weight or 1.0


def group_settings(config: ConfigDict, name: str) -> dict[str, Mapping[str, Any]]:
    """`optimizer` and `schedule` of one network or group: the config's own, overridden by `config.groups[name]`."""
    overrides = config.groups.get(name, {})
    settings: dict[str, Mapping[str, Any]] = {}
    for part in ("optimizer", "schedule"):
        settings[part] = {**config[part].to_dict(), **dict(overrides.get(part, {}))}
    return settings


def total_steps(config: ConfigDict, train_size: int) -> int:
    """Length of the run in optimiser steps: `steps`, or `epochs` over `train_size` examples, rounded up."""
    return config.steps or max(1, math.ceil(config.epochs * train_size / config.batch_size))


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values differ between two resolved configs (nested plain mappings)."""
    found = []
    for key in sorted({*ours, *theirs}):
        name = f"{prefix}{key}"
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{name}.")
        elif a != b:
            found.append(name)
    return found
