"""JDNet on UECFood-256: ResNet-50 is trained alone, then learns on together with MobileNetV2.

    python -m jdnet_jax.main --config=configs/uec256.py --config.dataset.data_dir=PATH    # UECFOOD256 or dataset256.zip
    python -m jdnet_jax.main --config=configs/uec256.py                                   # downloads both archives
    python -m jdnet_jax.main --config=configs/uec256.py:jdnet                       # together from the first step on
    python -m jdnet_jax.main --config=configs/uec256.py:pair=efficientnet_b4-b0     # another pair of networks

Data: Kawano and Yanai, ECCV workshops 2014; 256 classes of food, 31,395 files, five folds; the lists of the folds lie
beside the photos (`uecfood256_split/` or `uecfood_split.zip`) or are downloaded.
Protocol: test is val0.txt, train all that it does not list, less the photos whose picture is in test; whole photos;
a tenth of train, by class and picture, is held out for tuning as `val`. Papers differ in each of these, so a number
compares only with one of the same protocol: `dataset.options` has the other choices, `jdnet_jax.data.uec_food` says
why these, and every run prints and keeps the protocol with its counts. For the whole of train, as papers take it:
`--config.dataset.splits.train=train+val --config.select=last` (val then says nothing).
Target: the JDNet paper reports 84.0 % top-1 for its student (the paper's number, not reproduced here; its networks,
resolution and protocol are not known). Meant for a TPU v5e-8 or a GPU; it has not been run at full length by us, so
the cost there is not known. By the published counts of multiply-adds (4.1 G and 0.3 G) a step of 1,024 photos
takes about 27 TFLOP, and 200 epochs of 25,000 photos 1.3e17; the teacher alone before takes 1.2e17 more.
Recipe: ours, as in `configs/food101.py`, with more epochs because the set is smaller.
The weights of JDNet's terms, tried on photos of groceries, are untested here (`jdnet_jax.config.bases.couple`).
The learning rate, 0.8, is 0.2 for every 256 photos of the batch (Goyal et al., 2017) and untested. By its
compiler it takes 74 GB of one GPU; for less `--config.grad_accum=4` (19 GB), or `--config.batch_size=256
--config.schedule.learning_rate=0.2`.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`, `pair=` one of `jdnet_jax.config.pairs`, or both.
"""

from jdnet_jax.config import bases, pairs
from jdnet_jax.config.recipes import apply_recipe


def get_config(argument=""):
    recipe, pair = pairs.parse(argument)
    config = bases.food_from_scratch(recipe, pair)
    config.dataset.name = "uec_food256"
    config.dataset.options = {"fold": 0, "train": "complement", "crop": "full", "margin": 0.0, "dedupe": True}
    config.epochs = 200.0
    return apply_recipe(config, recipe)
