"""JDNet on the embedded set `synthetic_meals`: no download, a few minutes on two CPU cores.

    python -m jdnet_jax.main --config=configs/demo.py
    python -m jdnet_jax.main --config=configs/demo.py:ce        # the student alone, at equal budget

Cost and score: 3 minutes with the drawing, 75 to 78 % test top-1 for the student (README, Results).

A teacher and a student that are both small enough for a laptop learn 12 kinds of drawn food together, from scratch.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`. Every value here is ours.
"""

from jdnet_jax.config import default, teacher
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="jdnet"):
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

    config.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 16}}
    config.teachers = {"teacher": teacher("resnet_tiny", width=32)}
    # The couplings grow from nothing: a teacher that starts from scratch has nothing to teach at first, and at the end
    # their gradients are a small part of cross-entropy's. (README, Results.)
    config.losses.mskd.weight, config.losses.ial.weight = 10.0, 1.875
    for coupling in (config.losses.mskd, config.losses.ial):
        coupling.schedule.update(name="linear", warmup=1.0)

    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.05
    config.optimizer.clip_norm = 1.0
    config.schedule.learning_rate = 4e-3
    return apply_recipe(config, recipe)
