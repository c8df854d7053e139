"""The config of a run: every key with its default; `recipes` has the recipes, `check` the checks.

This module imports neither JAX nor TensorFlow, so that `--help` answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.routing import DISCRIMINATORS, STUDENT

COUPLINGS = ("mskd", "ial", "kl")  # the terms between the student and a teacher that both may feel
MSKD_VARIANTS = ("cosine", "l2", "attention", "logits", "classifier")
IAL_VARIANTS = ("l2", "kl")
DISTILL_VARIANTS = ("hard", "soft")
WEIGHT_SCHEDULES = ("constant", "linear")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "constant", "step")
DTYPES = ("float32", "bfloat16")
FITS = ("crop", "pad")
NON_FINITE = ("stop", "skip", "roll_back")
TERMS = ("ce", *COUPLINGS, "distill", "dist", "similarity", "adversarial")
BLOCK_POOLS = ("average", "max")
BLOCK_DISTANCES = ("l1", "l2", "soft_l1", "soft_l2", "ce")


def default() -> ConfigDict:
    """All keys with their defaults. `check.check` refuses keys that are not here."""
    config = ConfigDict()
    config.recipe = "jdnet"  # one of recipes.RECIPES
    config.seed = 0

    config.dataset = ConfigDict()
    config.dataset.name = "synthetic_meals"
    config.dataset.data_dir = ""  # raw files for our builders, TFDS's data_dir for the others; "" = the default
    config.dataset.splits = ConfigDict({"train": "train", "val": "val", "test": "test"})
    config.dataset.options = ConfigDict()  # of the builder
    # What is seen of each photo: "photo", its region of interest ("roi"), the rest ("context"), or "roi+context" apart.
    config.dataset.view = "photo"
    # A folder of photos without labels, and their share of each training batch: the terms between student and teacher
    # act on them, cross-entropy does not; IAL takes the class that the teacher predicts. "" = none.
    config.dataset.unlabelled, config.dataset.unlabelled_share = "", 0.5
    config.dataset.shuffle_buffer = 16384  # encoded examples
    config.dataset.cache = False  # keep the encoded photos of train and val in memory; refused where they do not fit

    config.augment = ConfigDict()
    config.augment.crop_scale = (0.35, 1.0)  # area of the random crop as a share of the photo
    config.augment.crop_ratio = (3 / 4, 4 / 3)  # width / height of the random crop
    config.augment.pad = 0  # pixels of black around the view, of which a random part of the view's size is taken
    config.augment.flip = True
    config.augment.color_jitter = ConfigDict({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0})
    config.augment.rand_augment = ConfigDict({"layers": 0, "magnitude": 9.0})  # layers 0 = off; magnitude 0 to 30
    config.augment.erasing = 0.0  # probability of random erasing
    config.augment.mixup, config.augment.cutmix = 0.0, 0.0  # alpha of Beta(alpha, alpha); 0 = off
    config.augment.mix_probability = 1.0  # share of the pairs of photos that mixup or CutMix mixes
    config.augment.repeats = 1  # augmented copies of each photo in a batch (repeated augmentation)

    config.image_size = 224
    # Of evaluation, hand-off and exported files, the networks' own resolutions alike (FixRes: Touvron et al., NeurIPS
    # 2019: crops show food larger than whole photos do, so a network is better at a larger size than it was trained
    # at); 0 = image_size.
    config.eval_image_size = 0
    # network name -> its own resolution: the same view, shrunk on the device; 0, or no entry = image_size.
    config.resolutions = ConfigDict()
    config.fit = "crop"  # or "pad": the whole photo (in training: crop) with its aspect, the rest grey
    config.crop_fraction = 0.875  # evaluation: shorter side to image_size / crop_fraction, then the central square
    config.batch_size = 128  # global, training
    config.eval_batch_size = 0  # 0 = batch_size
    config.epochs = 10.0
    config.steps = 0  # 0 = from epochs

    config.student = ConfigDict({"model": "mobilenetv2_100", "init": "random", "options": {}})
    config.teachers = ConfigDict({"teacher": teacher("resnet50")})

    # The frozen ones of them: each for itself ("all"), one drawn for each step ("random"), or the mean of their softmax
    # ("mean"). Where they stand together, mskd and ial leave them out.
    config.teacher_selection = "all"
    # What the terms similarity and adversarial compare, see `losses.blocks`: the feature maps of all stages, each
    # pooled to one of the lengths, and last the logits; without lengths the logits alone.
    config.blocks = ConfigDict({"lengths": (), "pool": "average"})
    config.blocks.stages = ConfigDict()  # network name -> the stages to take, for networks that have others as well

    config.losses = ConfigDict({name: loss() for name in TERMS})
    for term in ("kl", "distill", "dist", "similarity", "adversarial"):
        config.losses[term].weight = 0.0
    config.losses.ce.options = {"label_smoothing": 0.0}
    config.losses.mskd.options = {"variant": "cosine", "stages": (-1,), "stage_weights": ()}  # -1: the deepest
    config.losses.ial.options = {"variant": "l2", "temperature": 1.0}  # the temperature is of the variant kl
    # standardized: each photo's logits are brought to mean 0 and deviation 1 before (Sun et al., CVPR 2024).
    config.losses.kl.options = {"temperature": 4.0, "standardized": False}
    # Of DeiT, for a student with a distillation token: `share` of the loss is the teacher's, the rest the label's.
    config.losses.distill.options = {"variant": "hard", "temperature": 3.0, "share": 0.5, "label_smoothing": 0.0}
    # beta: of the correlation between the classes of a photo; gamma: between the photos of a device, for each class.
    config.losses.dist.options = {"beta": 1.0, "gamma": 1.0, "temperature": 1.0}
    config.losses.similarity.options = {"distance": "ce", "gammas": ()}  # a weight for each block; () = 1 each
    # etas: a weight for each block, 0 for no discriminator there; divisors: of the block's length, for the two hidden
    # layers; faithful: with the defects of the released code, see `losses.adversarial`, and teachers whose batch norm
    # takes the batch's statistics, and the student's learning rate for the discriminators.
    adversarial = {"mode": "reversal", "etas": (), "divisors": (2, 4), "faithful": False}
    config.losses.adversarial.options = adversarial

    config.share_every = 20  # steps between two measurements of the gradients of the terms that have a share

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

    # network or group name -> {"optimizer": {...}, "schedule": {...}}: the keys that differ from those above. Also
    # "student/head" or "TEACHER/head", for that network's classifier: the keys that differ from the network's own.
    config.groups = ConfigDict()

    config.ema_decay = 0.0  # exponential moving average of the student; 0 = off
    config.sync_batch_norm = False
    config.grad_accum = 1
    config.remat = False  # compute each block's inside again in the backward pass: less memory, more time
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
    # Looks at the gradient that each term sends to the student beside cross-entropy's, spread over the run; 0 = none.
    config.gradient_report = 6
    config.snapshots = 6  # evaluations at which activation maps are kept for the report; 0 = none
    return config


def teacher(model: str, init: str = "random", trainable: bool = True, **options: Any) -> dict[str, Any]:
    """The entry of one teacher in `config.teachers`."""
    return {"model": model, "init": init, "trainable": trainable, "options": options}


def loss(weight: float = 1.0) -> dict[str, Any]:
    """The entry of one term in `config.losses`: constant weight, the routing table's own strengths, no options.

    `share`, where it is not 0, takes the weight's place: the weight then follows so that the norm of the term's
    gradient into the student is that share of cross-entropy's, see `config.share_every`; `schedule` is the share's.

    `routing` maps names of networks (`student`, a teacher, `adapters`, `discriminators`) to the strength of the
    gradient that the term sends them, instead of the table's; `apply_recipe` writes each teacher's strength r there, to
    be seen and changed.
    """
    return {
        "weight": weight,
        "share": 0.0,
        "schedule": {"name": "constant", "warmup": 0.1},
        "routing": {},
        "options": {},
    }


def acts(entry: Mapping[str, Any]) -> bool:
    """Whether the entry of a term in `config.losses` has the term act where there is a teacher for it."""
    return (entry["weight"] > 0 or entry["share"] > 0) and entry["options"].get("mode") != "none"


def head_of(network: str) -> str:
    """The name in `config.groups` of a network's classifier."""
    return f"{network}/head"


def group_settings(config: ConfigDict, name: str) -> dict[str, Mapping[str, Any]]:
    """`optimizer` and `schedule` of one network or group: the config's own, overridden by `config.groups[name]`.

    A classifier's (`head_of`) are its network's, overridden likewise.
    Where the adversarial term is faithful, the discriminators have the student's schedule.
    """
    network = name.partition("/")[0]
    own, head = dict(config.groups.get(network, {})), config.groups.get(name, {}) if name != network else {}
    overrides = {part: {**own.get(part, {}), **head.get(part, {})} for part in ("optimizer", "schedule")}
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
    """Length of the run in optimiser steps: `steps`, or `epochs` over `train_size` examples, rounded up."""
    return config.steps or max(1, math.ceil(config.epochs * train_size / config.batch_size))


@dataclass(frozen=True)
class Periods:
    """How often a run does what it does from time to time, in steps.

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
