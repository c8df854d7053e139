"""The table of every key of a config: default, type and range of its values, and meaning.

`defaults.default` makes the config from it, `check.check` checks a config against it, and `reference` prints it. In a
name, `*` stands for a name that the config chooses, such as a network's. This module imports neither JAX nor
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jdnet_jax.config.routing import ADVERSARIAL_MODES, SELECTIONS
from jdnet_jax.config.values import (
    Choice,
    Number,
    Options,
    Section,
    Several,
    Source,
    Text,
    Values,
    Whole,
    YesNo,
    YesNoOr,
)
from jdnet_jax.config.views import VIEWS

PROBE = "probe"  # the recipe that fits a linear classifier to the features, in one step
COUPLINGS = ("mskd", "ial", "kl")  # the terms that can send gradient to both the student and a teacher
MSKD_VARIANTS = ("cosine", "l2", "attention", "logits")
IAL_VARIANTS = ("l2", "kl", "classes")
WEIGHT_SCHEDULES = ("constant", "linear")
BLOCK_POOLS = ("average", "max")
BLOCK_DISTANCES = ("l1", "l2", "soft_l1", "soft_l2", "ce")
TERMS = ("ce", *COUPLINGS, "distill", "dist", "similarity", "adversarial")
MAX_IMAGE_SIZE = 2048  # pixels


class Key(NamedTuple):
    """A key of a config.

    Attributes:
        default: value in a config that does not set it.
        values: type and range.
        meaning: one line for the reference in configs/README.md.
    """

    default: Any
    values: Values
    meaning: str


_ANY_WEIGHT = Number(0, 1e6)
_SHARE = Number(0, 1)
_BELOW_1 = Number(0, 1, below=True)
_STEPS = Whole(0, 10**9)
_SIZE = Whole(0, MAX_IMAGE_SIZE)
SEED = Whole(0, 2**32 - 1)  # JAX's keys hold no more
_COUNT = Whole(1, 10**6)


def _network(path: str, model: str) -> dict[str, Key]:
    return {
        f"{path}.model": Key(model, Text(), "name of a network of the zoo"),
        f"{path}.init": Key(
            "random", Source(), "initial weights: random, imagenet, a hub id, a weights file or a run's folder"
        ),
        f"{path}.options": Key({}, Options(), "options of the network, such as drop_rate"),
    }


def _term(term: str) -> dict[str, Key]:
    weight = 1.0 if term in ("ce", "mskd", "ial") else 0.0
    path = f"losses.{term}"
    return {
        f"{path}.weight": Key(weight, _ANY_WEIGHT, "weight of the term in the loss; 0 = off"),
        f"{path}.schedule.name": Key("constant", Choice(WEIGHT_SCHEDULES), "constant weight, or linear warmup from 0"),
        f"{path}.schedule.warmup": Key(0.1, _SHARE, "fraction of the run that the linear warmup takes"),
        # `apply_recipe` writes the factor r of each teacher here, where a user sees it and can change it.
        f"{path}.routing": Key(
            {},
            Section(Number(-1e3, 1e3)),
            "network -> factor of the gradient that the term sends to it; an entry replaces the routing table's",
        ),
    }


_SMOOTHING = Key(0.0, _BELOW_1, "label smoothing")
_TEMPERATURE = Number(1e-3, 1e3)

KEYS: Mapping[str, Key] = {
    "recipe": Key("jdnet", Text(), "name of the recipe; --config=FILE:RECIPE sets it"),
    "seed": Key(0, SEED, "seed of the initial weights, the order of the data and the augmentation"),
    "dataset.name": Key("synthetic_meals", Text(), "a dataset of this project or of TensorFlow Datasets"),
    "dataset.data_dir": Key(
        "",
        Text(empty=True),
        "folder of the raw files for the datasets of this project, data_dir of TFDS for the others; '' = the default",
    ),
    **{
        f"dataset.splits.{role}": Key(role, Text(), f"the TFDS split that is used as {role}")
        for role in ("train", "val", "test")
    },
    "dataset.options": Key({}, Options(), "options of the dataset, such as val_fraction"),
    "dataset.view": Key(
        "photo",
        Choice(VIEWS),
        "input of the networks: the photo, its region of interest (roi), its context, or both as separate images",
    ),
    "dataset.unlabelled": Key(
        "",
        Text(empty=True),
        "folder of photos without labels; the terms between student and teacher use them, cross-entropy does not; IAL "
        "takes the class that the teacher predicts; '' = none",
    ),
    "dataset.unlabelled_share": Key(
        0.5, Number(0, 1, above=True, below=True), "fraction of each training batch that is unlabelled photos"
    ),
    "dataset.shuffle_buffer": Key(16384, Whole(1, 10**9), "size of the shuffle buffer in encoded examples"),
    "dataset.balance": Key(
        0.0,
        _SHARE,
        "class-balanced sampling in training: 0 = each photo once per epoch; 1 = each class equally often, so that "
        "photos of small classes repeat; 0.5 = in proportion to the square root of the class size",
    ),
    "dataset.cache": Key(
        False,
        YesNoOr(("decoded",)),
        "True: keep the encoded photos of train and val in memory; an error where they do not fit. decoded: decode the "
        "photos of train once, to 8/7 of image_size, into a memory-mapped file beside the prepared data",
    ),
    "augment.crop_scale": Key(
        (0.35, 1.0),
        Several(Number(0, 1, above=True), count=2),
        "range of the random crop's area as a fraction of the photo",
    ),
    "augment.crop_ratio": Key(
        (3 / 4, 4 / 3), Several(Number(0, 100, above=True), count=2), "range of the random crop's width / height"
    ),
    "augment.pad": Key(
        0, _SIZE, "random shift: pad the image with this many black pixels, then crop its size at random"
    ),
    "augment.flip": Key(True, YesNo(), "mirror each photo with probability 1/2"),
    **{
        f"augment.color_jitter.{key}": Key(0.0, _SHARE, f"strength of random changes of {key}; 0 = off")
        for key in ("brightness", "contrast", "saturation", "hue")
    },
    "augment.rand_augment.layers": Key(0, Whole(0, 100), "RandAugment: operations per photo; 0 = off"),
    "augment.rand_augment.magnitude": Key(9.0, Number(0, 30), "RandAugment: strength of the operations"),
    "augment.erasing": Key(0.0, _SHARE, "probability of random erasing"),
    "augment.mixup": Key(0.0, Number(0, 1e3), "alpha of Beta(alpha, alpha) of mixup; 0 = off, else at least 0.01"),
    "augment.cutmix": Key(0.0, Number(0, 1e3), "alpha of Beta(alpha, alpha) of CutMix; 0 = off, else at least 0.01"),
    "augment.mix_probability": Key(1.0, _SHARE, "probability that mixup or CutMix mixes a pair of photos"),
    "augment.repeats": Key(1, Whole(1, 1024), "augmented copies of each photo in a batch (repeated augmentation)"),
    "image_size": Key(224, Whole(1, MAX_IMAGE_SIZE), "side of the square training images in pixels"),
    "eval_image_size": Key(
        0,
        _SIZE,
        "image size in evaluation, hand-off and exported files; sizes in resolutions are scaled alike; 0 = image_size. "
        "Random crops show food larger than whole photos do, so accuracy is higher at a larger size (FixRes, Touvron "
        "et al., 2019)",
    ),
    "resolutions": Key(
        {},
        Section(_SIZE),
        "network -> image size of that network: the same image, downscaled on the device; 0 or no entry = image_size",
    ),
    "fit": Key(
        "crop",
        Choice(("crop", "pad")),
        "crop = a square is cut out; pad = the whole photo (in training: the whole crop), with grey borders",
    ),
    "crop_fraction": Key(
        0.875,
        Number(0.1, 1),
        "evaluation: resize the shorter side to image_size / crop_fraction, then take the central square",
    ),
    "batch_size": Key(128, Whole(1, 2**17), "photos per training step, over all devices"),
    "eval_batch_size": Key(0, Whole(0, 2**17), "photos per evaluation step; 0 = batch_size"),
    "epochs": Key(10.0, Number(0, 1e6), "length of the run in epochs; used where steps is 0"),
    "steps": Key(0, _STEPS, "length of the run in optimiser steps; 0 = epochs decides"),
    **_network("student", "mobilenetv2_100"),
    **_network("teachers.*", "resnet50"),
    "teachers.*.trainable": Key(True, YesNo(), "True: trained together with the student; False: frozen"),
    "teachers.*.before": Key(
        {},
        Options(),
        "values of the config that differ while this teacher is trained alone first, such as epochs (config.steps "
        "goes first), schedule and optimizer; recipes that need a trained teacher train it so where init is random, "
        "imagenet, timm/NAME or weights for each branch",
    ),
    "teacher_selection": Key(
        "all",
        Choice(SELECTIONS),
        "how several frozen teachers teach: all = each separately; random = one drawn per step; mean = the mean of "
        "their softmax outputs. With random and mean, mskd and ial do not use the frozen teachers",
    ),
    # See `losses.blocks`: the feature maps of all stages, each pooled to one of the lengths, and last the logits.
    "blocks.lengths": Key(
        (),
        Several(Whole(1, 10**6)),
        "lengths of the feature blocks that similarity and adversarial compare; () = the logits only",
    ),
    "blocks.pool": Key("average", Choice(BLOCK_POOLS), "pooling of the feature maps to these lengths"),
    "blocks.stages": Key(
        {},
        Section(Several(Whole(0, 1000))),
        "network -> indices of the stages that are used as blocks; no entry = all stages",
    ),
    **{key: entry for term in TERMS for key, entry in _term(term).items()},
    "losses.ce.options.label_smoothing": _SMOOTHING,
    "losses.ce.options.balance": Key(
        0.0,
        _SHARE,
        "class weights: a photo's weight is (photos of its class in train)^-balance, scaled to a mean of 1 over train; "
        "0 = off; 1 = every class has the same total weight",
    ),
    "losses.mskd.options.variant": Key("cosine", Choice(MSKD_VARIANTS), "distance between feature maps"),
    "losses.mskd.options.stages": Key(
        (-1,), Several(Whole(-1000, 1000), least=1), "indices of the stages that are compared; -1 = the deepest"
    ),
    "losses.mskd.options.stage_weights": Key(
        (), Several(_ANY_WEIGHT), "weight of each of these stages; () = equal weights"
    ),
    "losses.ial.options.variant": Key("l2", Choice(IAL_VARIANTS), "distance between activation maps"),
    "losses.ial.options.temperature": Key(1.0, _TEMPERATURE, "temperature of both softmaxes; not used by l2"),
    "losses.kl.options.temperature": Key(4.0, _TEMPERATURE, "temperature of both softmaxes"),
    "losses.kl.options.standardized": Key(
        False,
        YesNo(),
        "standardise each photo's logits to mean 0 and deviation 1 before the softmax (Sun et al., CVPR 2024)",
    ),
    # Of DeiT, for a student with a distillation token.
    "losses.distill.options.variant": Key(
        "hard",
        Choice(("hard", "soft")),
        "target of the distillation token: hard = the class that the teacher predicts; soft = its softmax",
    ),
    "losses.distill.options.temperature": Key(3.0, _TEMPERATURE, "temperature of both softmaxes; used by variant soft"),
    "losses.distill.options.share": Key(
        0.5, _SHARE, "fraction of the loss that comes from the teacher; the rest comes from the labels"
    ),
    "losses.distill.options.label_smoothing": _SMOOTHING,
    "losses.dist.options.beta": Key(
        1.0, _ANY_WEIGHT, "weight of the correlation across each photo's classes (inter-class)"
    ),
    "losses.dist.options.gamma": Key(
        1.0, _ANY_WEIGHT, "weight of the correlation over the photos of each class (intra-class), per device"
    ),
    "losses.dist.options.temperature": Key(1.0, _TEMPERATURE, "temperature of both softmaxes"),
    "losses.similarity.options.distance": Key("ce", Choice(BLOCK_DISTANCES), "distance between two blocks"),
    "losses.similarity.options.gammas": Key((), Several(_ANY_WEIGHT), "weight of each block; () = 1 each"),
    "losses.adversarial.options.mode": Key(
        "reversal",
        Choice(ADVERSARIAL_MODES),
        "training against the discriminators: by gradient reversal, alternating steps, one joint loss, or none",
    ),
    "losses.adversarial.options.etas": Key(
        (), Several(_ANY_WEIGHT), "weight of each block's discriminator, 0 for none; () = 1 each"
    ),
    "losses.adversarial.options.divisors": Key(
        (2, 4),
        Several(Whole(1, 10**6), count=2),
        "widths of the discriminator's two hidden layers: the length of the block divided by these",
    ),
    "losses.adversarial.options.faithful": Key(
        False,
        YesNo(),
        "reproduce the released code: its defects (see losses.adversarial), batch statistics in the teachers' batch "
        "norm, and the student's learning rate for the discriminators",
    ),
    "optimizer.name": Key("adamw", Choice(("sgd", "adamw")), "optimiser"),
    "optimizer.weight_decay": Key(
        0.01, Number(0, 1e3), "weight decay of the kernels; batch norm, biases and tokens have none"
    ),
    "optimizer.momentum": Key(0.9, _BELOW_1, "momentum of sgd"),
    "optimizer.nesterov": Key(True, YesNo(), "Nesterov momentum in sgd"),
    "optimizer.b1": Key(0.9, _BELOW_1, "adamw: decay of the first moment"),
    "optimizer.b2": Key(0.999, _BELOW_1, "adamw: decay of the second moment"),
    "optimizer.eps": Key(1e-8, _SHARE, "adamw: epsilon"),
    "optimizer.clip_norm": Key(
        0.0, Number(0, 1e9), "gradient clipping: largest norm of each network's gradient; 0 = off"
    ),
    "schedule.name": Key("cosine", Choice(("cosine", "constant", "step")), "learning-rate schedule"),
    "schedule.learning_rate": Key(1e-3, Number(0, 1e3), "peak learning rate"),
    "schedule.warmup": Key(0.1, _BELOW_1, "fraction of the run in which the learning rate rises linearly to the peak"),
    "schedule.initial": Key(0.04, Number(0, 1e3), "learning rate at step 0 as a fraction of the peak"),
    "schedule.final": Key(0.0, Number(0, 1e3), "cosine: learning rate at the end as a fraction of the peak"),
    "schedule.boundaries": Key(
        (0.5, 0.75), Several(_SHARE), "step: fractions of the run after which the learning rate is multiplied by decay"
    ),
    "schedule.decay": Key(0.1, Number(0, 1e3), "step: factor of the learning rate at each boundary"),
    "groups": Key(
        {},
        Options(),
        "network, adapters or discriminators -> {optimizer, schedule}: keys that override the ones above for it; "
        "NETWORK/head: for the classifier of that network only",
    ),
    "ema_decay": Key(0.0, _BELOW_1, "decay of the exponential moving average of the student's parameters; 0 = off"),
    "sync_batch_norm": Key(False, YesNo(), "average the batch statistics of batch norm over all devices"),
    "grad_accum": Key(1, Whole(1, 2**17), "gradient accumulation: micro-batches per step"),
    "remat": Key(
        False, YesNo(), "rematerialisation: recompute each block in the backward pass; less memory, more time"
    ),
    "compute_dtype": Key(
        "float32", Choice(("float32", "bfloat16")), "dtype of the computation; parameters are always float32"
    ),
    "eval_every": Key(0, _STEPS, "steps between evaluations on val; 0 = once per epoch"),
    "checkpoint_every": Key(0, _STEPS, "steps between checkpoints; 0 = at every evaluation"),
    "log_every": Key(10, Whole(1, 10**9), "steps between lines of progress"),
    "keep_checkpoints": Key(2, _COUNT, "newest checkpoints that are kept, besides the best on val"),
    "keep_every": Key(0, _STEPS, "also save a checkpoint every so many steps and keep all of these; 0 = none"),
    "on_non_finite": Key(
        "stop",
        Choice(("stop", "skip", "roll_back")),
        "on a loss, gradient or parameter that is not finite: stop = end the run; skip = drop the update of that step; "
        "roll_back = restore the newest good checkpoint and continue with the data in another order",
    ),
    "max_skips": Key(10, _COUNT, "skip: dropped updates in a row after which the run ends"),
    "max_roll_backs": Key(3, _COUNT, "roll_back: roll-backs in a run after which it ends"),
    "select": Key(
        "best", Choice(("best", "last")), "checkpoint that is tested and handed off: best on val, or the last"
    ),
    "patience": Key(
        0,
        Whole(0, 10**6),
        "early stopping: end the run after this many evaluations on val without a better top-1 of the student; needs "
        "100 photos in val; 0 = off. It stops a cosine schedule before its low final rates: use constant or step",
    ),
    "not_sure": Key(
        0.05,
        Number(0, 0.5),
        "rejection: fraction of val with the lowest confidence, which fits the threshold below which the student "
        "answers 'not sure'; needs 100 photos in val; 0 = off",
    ),
    "snapshots": Key(6, Whole(0, 1000), "evaluations at which activation maps are saved for the report; 0 = none"),
    "gradient_report": Key(
        0,
        Whole(0, 1000),
        "times in a run that each term's gradient into the student is compared with that of cross-entropy, for the "
        "report; 0 = none. Compiles one more function, as large as the train step",
    ),
    "wandb": Key("", Text(empty=True), "project of Weights & Biases that the metrics are also sent to; '' = none"),
    "probe": Key(
        False,
        YesNo(),
        "before training, print the val accuracy of the recipe probe (a linear classifier on the initial features) as "
        "a baseline",
    ),
}
