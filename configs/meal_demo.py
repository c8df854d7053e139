"""MEAL on the embedded set `synthetic_meals`: three small teachers, then one student; no download.

    for model in w16 w20 w24; do python -m jdnet_jax.main --config=configs/meal_demo.py:stage=teacher,model=$model; done
    python -m jdnet_jax.main --config=configs/meal_demo.py            # the student, from all three, without labels
    python -m jdnet_jax.main --config=configs/meal_demo.py:meal_none  # without discriminators; also meal_joint, ...
    python -m jdnet_jax.main --config=configs/meal_demo.py:ce         # the student alone, from the labels

Teachers are `resnet_tiny` of three widths, the student is one of width 12. Every value is ours.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import bases, meal
from jdnet_jax.config.meal import Entry
from jdnet_jax.config.routing import DISCRIMINATORS

NETWORKS = {
    "w12": Entry("resnet_tiny", {"width": 12}),
    "w16": Entry("resnet_tiny", {"width": 16}),
    "w20": Entry("resnet_tiny", {"width": 20}),
    "w24": Entry("resnet_tiny", {"width": 24}),
}


def get_config(argument=""):
    config = bases.drawn_food()
    config.epochs = 8.0
    config.blocks.lengths = (64, 32, 16)
    config.losses.similarity.options.gammas = (0.01, 0.05, 0.1, 1.0)
    config.groups = {DISCRIMINATORS: {"schedule": {"learning_rate": 1e-3}}}
    usual = meal.Argument(
        teachers=("w16", "w20", "w24"), student="w12", handoffs="runs/meal_demo-stage=teacher,model={}"
    )
    return meal.configure(config, argument, usual, NETWORKS)
