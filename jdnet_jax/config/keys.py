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

PROBE = "probe"  # the recipe whose one step is the fit of a classifier
COUPLINGS = ("mskd", "ial", "kl")  # the terms between the student and a teacher that both may feel
MSKD_VARIANTS = ("cosine", "l2", "attention", "logits", "classifier")
IAL_VARIANTS = ("l2", "kl", "classes")
WEIGHT_SCHEDULES = ("constant", "linear")
BLOCK_POOLS = ("average", "max")
BLOCK_DISTANCES = ("l1", "l2", "soft_l1", "soft_l2", "ce")
TERMS = ("ce", *COUPLINGS, "distill", "dist", "similarity", "adversarial")
MAX_IMAGE_SIZE = 2048  # pixels


class Key(NamedTuple):
    """A key of a config.

    Attributes:
        default: its value where a config says nothing else.
        values: their type and range.
        meaning: in words.
    """

    default: Any
    values: Values
    meaning: str


_ANY_WEIGHT = Number(0, 1e6)
_SHARE = Number(0, 1)
_BELOW_1 = Number(0, 1, below=True)
_STEPS = Whole(0, 10**9)
_SIZE = Whole(0, MAX_IMAGE_SIZE)
_SEED = Whole(0, 2**32 - 1)  # JAX's keys hold no more
_COUNT = Whole(1, 10**6)


def _network(path: str, model: str) -> dict[str, Key]:
    return {
        f"{path}.model": Key(model, Text(), "name of a network of the zoo"),
        f"{path}.init": Key("random", Source(), "its first weights: random, imagenet, a hub id, a file or a run"),
        f"{path}.options": Key({}, Options(), "of the network"),
    }


def _term(term: str) -> dict[str, Key]:
    weight = 1.0 if term in ("ce", "mskd", "ial") else 0.0
    path = f"losses.{term}"
    return {
        f"{path}.weight": Key(weight, _ANY_WEIGHT, "of the term in the objective; 0 = off"),
        f"{path}.share": Key(
            0.0,
            Number(0, 1e6),
            "in place of the weight, which then follows so that the norm of the term's gradient into the student is "
            "this share of cross-entropy's; 0 = off",
        ),
        f"{path}.schedule.name": Key("constant", Choice(WEIGHT_SCHEDULES), "how the weight, or the share, grows"),
        f"{path}.schedule.warmup": Key(0.1, _SHARE, "share of the run in which it grows from 0 (linear)"),
        # `apply_recipe` writes each teacher's strength r there, to be seen and changed.
        f"{path}.routing": Key(
            {}, Section(Number(-1e3, 1e3)), "network -> strength of the term's gradient, instead of the routing table's"
        ),
    }


_SMOOTHING = Key(0.0, _BELOW_1, "label smoothing")
_TEMPERATURE = Number(1e-3, 1e3)

KEYS: Mapping[str, Key] = {
    "recipe": Key("jdnet", Text(), "the recipe's name, as recipes.apply_recipe writes it"),
    "seed": Key(0, _SEED, "of first weights, the data's order and augmentation"),
    "dataset.name": Key("synthetic_meals", Text(), "a dataset of this project or of TensorFlow Datasets"),
    "dataset.data_dir": Key(
        "", Text(empty=True), "raw files for our builders, TFDS's data_dir for the others; '' = the default"
    ),
    **{
        f"dataset.splits.{role}": Key(role, Text(), f"the TFDS split that is {role}")
        for role in ("train", "val", "test")
    },
    "dataset.options": Key({}, Options(), "of the dataset's builder"),
    "dataset.view": Key(
        "photo", Choice(VIEWS), "what is seen: the photo, its region of interest (roi), the rest, or both apart"
    ),
    "dataset.unlabelled": Key(
        "",
        Text(empty=True),
        "a folder of photos without labels, on which the terms between student and teacher act and cross-entropy does "
        "not; IAL takes the class that the teacher predicts; '' = none",
    ),
    "dataset.unlabelled_share": Key(0.5, Number(0, 1, above=True, below=True), "their share of each training batch"),
    "dataset.shuffle_buffer": Key(16384, Whole(1, 10**9), "encoded examples that are shuffled at a time"),
    "dataset.balance": Key(
        0.0,
        _SHARE,
        "how alike the classes are seen in training: 0 = each photo once an epoch; 1 = each class as often as another, "
        "photos of small ones several times; 0.5 = by the square root of their sizes",
    ),
    "dataset.cache": Key(
        False,
        YesNoOr(("decoded",)),
        "True: keep the encoded photos of train and val in memory; refused where they do not fit. decoded: decode "
        "those of train once, to 8/7 of image_size, into a file beside the prepared data that is mapped into memory",
    ),
    "augment.crop_scale": Key(
        (0.35, 1.0),
        Several(Number(0, 1, above=True), count=2),
        "area of the random crop as a share of the photo: lowest, highest",
    ),
    "augment.crop_ratio": Key(
        (3 / 4, 4 / 3),
        Several(Number(0, 100, above=True), count=2),
        "width / height of the random crop: lowest, highest",
    ),
    "augment.pad": Key(0, _SIZE, "pixels of black around the view, of which a random part of the view's size is taken"),
    "augment.flip": Key(True, YesNo(), "mirror every second photo, at random"),
    **{
        f"augment.color_jitter.{key}": Key(0.0, _SHARE, f"strength of random changes of {key}; 0 = off")
        for key in ("brightness", "contrast", "saturation", "hue")
    },
    "augment.rand_augment.layers": Key(0, Whole(0, 100), "operations of RandAugment for each photo; 0 = off"),
    "augment.rand_augment.magnitude": Key(9.0, Number(0, 30), "their strength"),
    "augment.erasing": Key(0.0, _SHARE, "probability of random erasing"),
    "augment.mixup": Key(0.0, Number(0, 1e3), "alpha of Beta(alpha, alpha) of mixup; 0 = off, else at least 0.01"),
    "augment.cutmix": Key(0.0, Number(0, 1e3), "alpha of Beta(alpha, alpha) of CutMix; 0 = off, else at least 0.01"),
    "augment.mix_probability": Key(1.0, _SHARE, "share of the pairs of photos that mixup or CutMix mixes"),
    "augment.repeats": Key(1, Whole(1, 1024), "augmented copies of each photo in a batch (repeated augmentation)"),
    "image_size": Key(224, Whole(1, MAX_IMAGE_SIZE), "side of the networks' square images in pixels"),
    "eval_image_size": Key(
        0,
        _SIZE,
        "of evaluation, hand-off and exported files, the networks' own resolutions alike; 0 = image_size. Random crops "
        "show food larger than whole photos do, so a network is better at a larger size (FixRes, Touvron et al., 2019)",
    ),
    "resolutions": Key(
        {},
        Section(_SIZE),
        "network -> its own image size: the same view, shrunk on the device; 0, or no entry = image_size",
    ),
    "fit": Key(
        "crop",
        Choice(("crop", "pad")),
        "pad: the whole photo (in training: the whole crop) with its aspect, the rest grey",
    ),
    "crop_fraction": Key(
        0.875, Number(0.1, 1), "evaluation: shorter side to image_size / crop_fraction, then the central square"
    ),
    "batch_size": Key(128, Whole(1, 2**17), "photos of a training step, on all devices together"),
    "eval_batch_size": Key(0, Whole(0, 2**17), "photos of an evaluation step; 0 = batch_size"),
    "epochs": Key(10.0, Number(0, 1e6), "length of the run; set this or steps"),
    "steps": Key(0, _STEPS, "length of the run in optimiser steps; 0 = from epochs"),
    **_network("student", "mobilenetv2_100"),
    **_network("teachers.*", "resnet50"),
    "teachers.*.trainable": Key(True, YesNo(), "whether it learns beside the student; a frozen one stays as it is"),
    "teacher_selection": Key(
        "all",
        Choice(SELECTIONS),
        "frozen teachers: each for itself, one drawn for each step, or the mean of their softmax; where they stand "
        "together, mskd and ial leave them out",
    ),
    # See `losses.blocks`: the feature maps of all stages, each pooled to one of the lengths, and last the logits.
    "blocks.lengths": Key(
        (), Several(Whole(1, 10**6)), "of the blocks that similarity and adversarial compare; () = the logits alone"
    ),
    "blocks.pool": Key("average", Choice(BLOCK_POOLS), "how feature maps are pooled to these lengths"),
    "blocks.stages": Key(
        {},
        Section(Several(Whole(0, 1000))),
        "network -> the stages that are blocks, for networks that have others as well",
    ),
    **{key: entry for term in TERMS for key, entry in _term(term).items()},
    "losses.ce.options.label_smoothing": _SMOOTHING,
    "losses.ce.options.balance": Key(
        0.0,
        _SHARE,
        "weighs photos by (photos of their class in train) to the power of minus this, with a mean of 1 over train: "
        "0 = off; 1 = each class weighs as much as another",
    ),
    "losses.mskd.options.variant": Key("cosine", Choice(MSKD_VARIANTS), "the distance of feature maps"),
    "losses.mskd.options.stages": Key(
        (-1,), Several(Whole(-1000, 1000), least=1), "the stages that are compared; -1 = the deepest"
    ),
    "losses.mskd.options.stage_weights": Key((), Several(_ANY_WEIGHT), "one for each of them; () = equal ones"),
    "losses.ial.options.variant": Key("l2", Choice(IAL_VARIANTS), "the distance of activation maps"),
    "losses.ial.options.temperature": Key(1.0, _TEMPERATURE, "of both softmaxes (kl, classes)"),
    "losses.kl.options.temperature": Key(4.0, _TEMPERATURE, "of both softmaxes"),
    "losses.kl.options.standardized": Key(
        False, YesNo(), "bring each photo's logits to mean 0 and deviation 1 before (Sun et al., CVPR 2024)"
    ),
    # Of DeiT, for a student with a distillation token.
    "losses.distill.options.variant": Key("hard", Choice(("hard", "soft")), "the teacher's label, or its softmax"),
    "losses.distill.options.temperature": Key(3.0, _TEMPERATURE, "of both softmaxes (soft)"),
    "losses.distill.options.share": Key(0.5, _SHARE, "of the loss that is the teacher's; the rest is the label's"),
    "losses.distill.options.label_smoothing": _SMOOTHING,
    "losses.dist.options.beta": Key(1.0, _ANY_WEIGHT, "of the correlation between the classes of a photo"),
    "losses.dist.options.gamma": Key(1.0, _ANY_WEIGHT, "of that between the photos of a device, for each class"),
    "losses.dist.options.temperature": Key(1.0, _TEMPERATURE, "of both softmaxes"),
    "losses.similarity.options.distance": Key("ce", Choice(BLOCK_DISTANCES), "of two blocks"),
    "losses.similarity.options.gammas": Key((), Several(_ANY_WEIGHT), "a weight for each block; () = 1 each"),
    "losses.adversarial.options.mode": Key(
        "reversal", Choice(ADVERSARIAL_MODES), "what the student does about the discriminators' loss"
    ),
    "losses.adversarial.options.etas": Key(
        (), Several(_ANY_WEIGHT), "a weight for each block, 0 for no discriminator there; () = 1 each"
    ),
    "losses.adversarial.options.divisors": Key(
        (2, 4), Several(Whole(1, 10**6), count=2), "of the block's length, for the two hidden layers"
    ),
    "losses.adversarial.options.faithful": Key(
        False,
        YesNo(),
        "with the defects of the released code (see losses.adversarial), teachers whose batch norm takes the batch's "
        "statistics, and the student's learning rate for the discriminators",
    ),
    "share_every": Key(20, Whole(1, 10**9), "steps between measurements of the gradients of terms that have a share"),
    "optimizer.name": Key("adamw", Choice(("sgd", "adamw")), "the optimiser"),
    "optimizer.weight_decay": Key(0.01, Number(0, 1e3), "kernels only: no decay on batch norm, biases and tokens"),
    "optimizer.momentum": Key(0.9, _BELOW_1, "of sgd"),
    "optimizer.nesterov": Key(True, YesNo(), "of sgd"),
    "optimizer.b1": Key(0.9, _BELOW_1, "of adamw"),
    "optimizer.b2": Key(0.999, _BELOW_1, "of adamw"),
    "optimizer.eps": Key(1e-8, _SHARE, "of adamw"),
    "optimizer.clip_norm": Key(0.0, Number(0, 1e9), "largest norm of each network's gradient; 0 = off"),
    "schedule.name": Key("cosine", Choice(("cosine", "constant", "step")), "how the learning rate changes"),
    "schedule.learning_rate": Key(1e-3, Number(0, 1e3), "the peak"),
    "schedule.warmup": Key(0.1, _BELOW_1, "share of the run in which the rate grows to the peak"),
    "schedule.initial": Key(0.04, Number(0, 1e3), "rate at step 0, as a share of the peak"),
    "schedule.final": Key(0.0, Number(0, 1e3), "rate at the end, as a share of the peak (cosine)"),
    "schedule.boundaries": Key(
        (0.5, 0.75), Several(_SHARE), "shares of the run after which the rate is multiplied by decay (step)"
    ),
    "schedule.decay": Key(0.1, Number(0, 1e3), "see boundaries"),
    "groups": Key(
        {},
        Options(),
        "network or group -> {optimizer, schedule}: the keys that differ from those above; NETWORK/head is that "
        "network's classifier, with the keys that differ from the network's",
    ),
    "ema_decay": Key(0.0, _BELOW_1, "of the exponential moving average of the student; 0 = off"),
    "sync_batch_norm": Key(False, YesNo(), "batch norm over all devices"),
    "grad_accum": Key(1, Whole(1, 2**17), "parts of a batch that are computed one after the other"),
    "remat": Key(False, YesNo(), "compute each block's inside again in the backward pass: less memory, more time"),
    "compute_dtype": Key("float32", Choice(("float32", "bfloat16")), "of the computation; parameters stay float32"),
    "eval_every": Key(0, _STEPS, "steps between evaluations on val; 0 = once an epoch"),
    "checkpoint_every": Key(0, _STEPS, "steps between checkpoints; 0 = at every evaluation"),
    "log_every": Key(10, Whole(1, 10**9), "steps between the lines of progress"),
    "keep_checkpoints": Key(2, _COUNT, "how many of the newest are kept, beside the best on val"),
    "keep_every": Key(0, _STEPS, "steps; checkpoints at its multiples are made and kept too; 0 = none"),
    "on_non_finite": Key(
        "stop",
        Choice(("stop", "skip", "roll_back")),
        "what a loss, gradient or parameter that is not finite does: end the run; leave that step's update out; go "
        "back to the newest good checkpoint, and on from there with the data in another order",
    ),
    "max_skips": Key(10, _COUNT, "updates left out one after the other, before the run ends after all"),
    "max_roll_backs": Key(3, _COUNT, "in the whole run"),
    "select": Key(
        "best", Choice(("best", "last")), "what is tested and handed off: the checkpoint best on val, or the last"
    ),
    "patience": Key(
        0,
        Whole(0, 10**6),
        "evaluations on val without a better top-1 of the student after which the run ends early, where val has 100 "
        "photos or more; 0 = never. It cuts a cosine schedule off before its best part: take constant or step with it",
    ),
    "not_sure": Key(
        0.05,
        Number(0, 0.5),
        "share of val that the student may call 'not sure', those it is least sure of: fitted on 100 photos of val or "
        "more; 0 = it is always sure",
    ),
    "snapshots": Key(6, Whole(0, 1000), "evaluations at which activation maps are kept for the report; 0 = none"),
    "gradient_report": Key(
        0,
        Whole(0, 1000),
        "looks at each term's gradient into the student beside cross-entropy's, for the report; 0 = none. It compiles "
        "one more function, as large as the train step",
    ),
    "wandb": Key("", Text(empty=True), "a project of Weights & Biases that gets the figures of the run too; '' = none"),
    "probe": Key(False, YesNo(), "say before training what the recipe probe's classifier has on val, as what to beat"),
}

#: Options of networks by name, for every network that has them; which network has which is the zoo's to know.
NETWORK_OPTIONS: Mapping[str, Values] = {
    "width": Whole(1, 4096),
    "hidden": Whole(1, 2**16),
    "drop_rate": _BELOW_1,
    "drop_path_rate": _BELOW_1,
}

_HELD_OUT = Number(0, 1, above=True, below=True)
_MAPS: Mapping[str, Values] = {"val_fraction": _HELD_OUT, "split_seed": Whole(-(2**63), 2**63 - 1)}
_FOLDER: Mapping[str, Values] = {**_MAPS, "test_fraction": _HELD_OUT}
_UEC_FOOD: Mapping[str, Values] = {
    "fold": Whole(0, 4),
    "train": Choice(("complement", "other_lists")),
    "crop": Choice(("full", "box")),
    "margin": Number(0, 100),
    "dedupe": YesNo(),
}
#: Options of this project's datasets, by the dataset's name.
DATASET_OPTIONS: Mapping[str, Mapping[str, Values]] = {
    "synthetic_meals": {"size": Whole(16, MAX_IMAGE_SIZE), "counts": Several(Whole(1, 10**7), count=3), "seed": _SEED},
    "image_folder": {
        **_FOLDER,
        **dict.fromkeys(("val_fraction", "test_fraction"), _BELOW_1),  # 0 = by the number of photos
        "folds": Whole(0, 1000),
        "fold": Whole(0, 999),
    },
    "masked_folder": _FOLDER,
    "parquet": {
        **_FOLDER,
        "names": Options(),  # a tuple of them, or the file that holds them
        "test": Choice(("test", "validation", "holdout")),
        "image_column": Text(),
        "label_column": Text(),
    },
    "foodseg103": _MAPS,
    "uec_foodpix": _MAPS,
    "grocery_store": {
        "labels": Choice(("fine", "coarse")),
        "val": Choice(("official", "holdout")),
        "masks": Text(empty=True),
    },
    "uec_food100": _UEC_FOOD,
    "uec_food256": _UEC_FOOD,
}
