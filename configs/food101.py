"""JDNet on Food-101: ResNet-50 is trained alone, then learns on together with MobileNetV2, from TFDS `food101`.

    python -m jdnet_jax.main --config=configs/food101.py --workdir=FOLDER
    python -m jdnet_jax.main --config=configs/food101.py:jdnet                      # together from the first step on
    python -m jdnet_jax.main --config=configs/food101.py:pair=efficientnet_b4-b0    # another pair of networks

Data: Bossard, Guillaumin, Van Gool, ECCV 2014; 101 classes, 75,750 training photos with noisy labels, 25,250 reviewed.
The split that TFDS calls `validation` is the official test set: it is used as `test` only, and the last tenth of
`train` is held out for tuning. TFDS downloads 5 GB.
Target: the JDNet paper reports 91.2 % top-1 for its student (the paper's number, not reproduced here; its networks,
resolution and protocol are not known). Meant for a TPU v5e-8 or a GPU; it has not been run at full length by us, so
the cost there is not known. By the published counts of multiply-adds (4.1 G and 0.3 G) a step of 1,024 photos
takes about 27 TFLOP, and 120 epochs of 68,175 photos 2.2e17; the teacher alone before takes 2.0e17 more.
Recipe: ours, after the usual practice for training these networks from scratch (SGD with momentum, cosine, inception
crops), also for the other pairs of `jdnet_jax.config.pairs`.
The weights of JDNet's terms, tried on photos of groceries, are untested here (`jdnet_jax.config.bases.couple`).
The learning rate, 0.8, is 0.2 for every 256 photos of the batch (Goyal et al., 2017) and untested. By its
compiler it takes 74 GB of one GPU; for less `--config.grad_accum=4` (19 GB), or `--config.batch_size=256
--config.schedule.learning_rate=0.2`.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`, `pair=` one of those pairs, or both.
"""

from jdnet_jax.config import bases, pairs
from jdnet_jax.config.recipes import apply_recipe


def get_config(argument=""):
    recipe, pair = pairs.parse(argument)
    config = bases.food_from_scratch(recipe, pair)
    config.dataset.name = "food101"
    config.dataset.splits = {"train": "train[:90%]", "val": "train[90%:]", "test": "validation"}
    config.epochs = 120.0
    return apply_recipe(config, recipe)
