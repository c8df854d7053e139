"""DeiT on Food-101: a transformer learns from the labels and, through a separate token, from a CNN.

    python -m jdnet_jax.main --config=configs/deit_food101.py --workdir=runs/deit    # the CNN alone, then both
    python -m jdnet_jax.main --config=configs/deit_food101.py:deit_soft \\
        --config.teachers.teacher.init=runs/deit/teachers/teacher                    # from the same CNN
    python -m jdnet_jax.main --config=configs/deit_food101.py:ce                     # without a teacher

Data: as `configs/food101.py` (TFDS, 5 GB; the official test, TFDS's `validation`, is used as `test` only).
Recipe: Touvron et al., ICML 2021 (PAPER): student DeiT with a distillation token, teacher RegNetY-16GF, hard
distillation (`deit_hard`, the default) or soft with temperature 3 and a share of 0.1; AdamW, cosine, 5 epochs of
warm-up, weight decay 0.05, label smoothing 0.1, RandAugment 9, mixup 0.8, CutMix 1.0, erasing 0.25, repeated
augmentation 3, stochastic depth 0.1. The learning rate is the paper's 5e-4 * batch / 512. OURS: Food-101 in place of
ImageNet, two layers of RandAugment, batch, epochs and the teacher's training. Weights to begin with should be worth
much on so few photos:
`--config.student.init=timm/deit_tiny_distilled_patch16_224.fb_in1k` (extra `[hub]`) loads both heads' network.
Control: `ce` is the same student, whose mean of both heads learns the labels. `deit_tiny_patch16_224` by
`--config.student.model` is the network without the token.
Cost and score: not known, as we have not run it at full length. Meant for a TPU or GPU.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`.
"""

from jdnet_jax.config import default, teacher
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="deit_hard"):
    config = default()
    config.dataset.name = "food101"
    config.dataset.splits = {"train": "train[:90%]", "val": "train[90%:]", "test": "validation"}
    config.image_size = 224
    config.batch_size = 512
    config.epochs = 300.0
    config.augment.crop_scale = (0.08, 1.0)
    config.augment.rand_augment.update(layers=2, magnitude=9.0)
    config.augment.mixup, config.augment.cutmix = 0.8, 1.0
    config.augment.erasing = 0.25
    config.augment.repeats = 3
    config.losses.ce.options.label_smoothing = config.losses.distill.options.label_smoothing = 0.1

    config.student = {
        "model": "deit_tiny_distilled_patch16_224",
        "init": "random",
        "options": {"drop_path_rate": 0.1},
    }
    before = {"optimizer": {"name": "sgd", "weight_decay": 5e-5}, "schedule": {"learning_rate": 0.4}}
    config.teachers = {"teacher": teacher("regnety_160", before=before)}

    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.05
    config.schedule.learning_rate = 5e-4
    config.schedule.warmup = 5 / 300
    config.compute_dtype = "bfloat16"
    config.log_every = 100
    return apply_recipe(config, recipe)
