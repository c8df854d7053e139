"""Base configs that several config files start from; a file may change every value.

Values are OURS unless stated otherwise.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from jdnet_jax.config import pairs
from jdnet_jax.config.defaults import default, teacher
from jdnet_jax.config.keys import COUPLINGS


def drawn_food() -> ConfigDict:
    """The base for the embedded set of drawn food: small networks from scratch, 64 pixels, minutes on two CPU cores."""
    config = default()
    config.dataset.name = "synthetic_meals"
    config.dataset.options = {"size": 96, "counts": (4000, 600, 1200), "seed": 0}  # counts of train, val and test
    config.image_size = 64
    config.crop_fraction = 1.0  # a plate may lie anywhere in its picture
    config.augment.crop_scale = (0.5, 1.0)
    config.batch_size = 32
    config.eval_batch_size = 200
    config.epochs = 16.0
    config.eval_every = 250
    config.log_every = 50
    config.optimizer.update(name="adamw", weight_decay=0.05, clip_norm=1.0)
    config.schedule.learning_rate = 4e-3
    return config


def food_from_scratch(recipe: str, pair: str) -> ConfigDict:
    """The base for tens of thousands of photos of food: server and mobile networks from scratch, on a TPU or GPU.

    The usual practice for training these networks: SGD with momentum, cosine, inception crops.

    Args:
        recipe: that the config will be.
        pair: one of `pairs.PAIRS`.
    """
    config = default()
    config.image_size = 224
    config.augment.crop_scale = (0.25, 1.0)
    config.augment.color_jitter.update(brightness=0.2, contrast=0.2, saturation=0.2)
    config.batch_size = 1024  # 128 for each of eight chips: a TPU computes in vectors of 128
    pairs.apply(config, pair)
    config.student.options.drop_rate = 0.2
    config.losses.ce.options.label_smoothing = 0.1
    couple(config, recipe)
    if not pairs.PAIRS[pair].class_maps and config.losses.ial.options.variant == "classes":
        config.losses.ial.options.variant = "l2"
    config.optimizer.name = "sgd"
    config.optimizer.weight_decay = 1e-4
    config.schedule.learning_rate = 0.8  # 0.2 for every 256 photos (Goyal et al., 2017); untested
    config.schedule.warmup = 0.05
    config.ema_decay = 0.9999
    config.compute_dtype = "bfloat16"
    config.log_every = 100
    return config


def food_from_imagenet(recipe: str) -> ConfigDict:
    """The base for hundreds or thousands of photos of food: EfficientNet-Lite2 and Lite0 from ImageNet weights.

    Args:
        recipe: that the config will be.
    """
    config = default()
    config.image_size = 192
    # Crops make things larger than they are in a whole photo (FixRes): 224 for 192, 160 for 128.
    config.eval_image_size = (config.get_ref("image_size") * 7 // 6 + 16) // 32 * 32
    config.augment.crop_scale = (0.4, 1.0)
    config.batch_size = 32
    config.eval_batch_size = 64
    config.student = {"model": "tf_efficientnet_lite0", "init": "imagenet", "options": {}}
    config.teachers = {"teacher": teacher("tf_efficientnet_lite2", init="imagenet")}
    couple(config, recipe)
    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.01
    config.schedule.learning_rate = 1e-3
    config.select = "last"  # the best of many on a small val is often the luckiest
    return config


def couple(config: ConfigDict, recipe: str) -> None:
    """Sets the weights of JDNet's terms and of `kd`; other recipes keep the defaults.

    A teacher that was trained before is followed closely from the first step on: the recipes `jdnet_trained` and its
    parts, with the weights of Food-101 at 64 px but less MSKD, tried on Grocery Store and not tuned there, and `kd`
    with the same weight of KL. A teacher that learns the classes beside the student is followed little, and
    from nothing on: with MSKD 1 and IAL 1 from the first step on, the student of `image_folder` lost 7 points on val in
    five epochs (configs/README.md, "Tuning on photos of groceries").

    Args:
        config: changed in place.
        recipe: that the config will be.
    """
    losses = config.losses
    if recipe == "kd":
        losses.kl.weight = 4.0
    elif recipe.startswith("jdnet_trained"):
        losses.kl.weight, losses.mskd.weight, losses.ial.weight = 4.0, 4.0, 0.8
        losses.ial.options.update(variant="classes", temperature=4.0)
    elif recipe.startswith("jdnet"):
        losses.kl.weight, losses.mskd.weight, losses.ial.weight = 0.5, 1.0, 0.1
        for term in COUPLINGS:
            losses[term].schedule.update(name="linear", warmup=1.0)
