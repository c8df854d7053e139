"""DeiT distilled from a CNN, on the embedded set `synthetic_meals`: no download, an hour on a CPU core.

    python -m jdnet_jax.main --config=configs/deit_demo.py               # a CNN, then DeiT-tiny from labels and CNN
    python -m jdnet_jax.main --config=configs/deit_demo.py:deit_soft     # from its probabilities instead of its answer
    python -m jdnet_jax.main --config=configs/deit_demo.py:ce            # DeiT-tiny from the labels alone

A transformer from scratch on 4,000 pictures of 64 pixels, which it sees as 16 patches: with few photos a CNN has much
to teach it. Network, losses and their constants are DeiT's (Touvron et al., ICML 2021; `configs/deit_food101.py` has
its whole recipe); data, teacher, augmentation and budget are ours; the teacher trains as in `configs/demo.py`.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`.
"""

from jdnet_jax.config import bases, teacher
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="deit_hard"):
    config = bases.drawn_food()
    config.student = {"model": "deit_tiny_distilled_patch16_224", "init": "random", "options": {}}
    before = {"epochs": config.epochs, "schedule": {"learning_rate": config.schedule.learning_rate}}
    config.teachers = {"teacher": teacher("resnet_tiny", before=before, width=32)}
    config.epochs = 48.0
    # Of 3e-4, 5e-4 and 1e-3 the best on val after 14 of 16 epochs from the labels alone (seed 0: 42.0, 37.7, 31.8 %).
    config.schedule.learning_rate = 3e-4
    return apply_recipe(config, recipe)
