"""MEAL on CIFAR-100: five teachers, one after the other, then one student of all of them.

    python -m jdnet_jax.main --config=configs/meal_cifar100.py:stage=teacher,model=vgg19_bn  # and dpn92, ...
    python -m jdnet_jax.main --config=configs/meal_cifar100.py                               # the student

As `configs/meal_cifar10.py` in everything but the data (TFDS `cifar100`). Target: not known to us. Meant for a GPU or
TPU; not run at full length by us, so the cost is not known.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import meal


def get_config(argument=""):
    config = meal.small_images()
    config.dataset.name = "cifar100"
    config.dataset.splits = {"train": "train[:45000]", "val": "train[45000:]", "test": "test"}
    config.dataset.shuffle_buffer = 50_000
    config.augment.pad = 4
    return meal.five_teachers(config, argument, "meal_cifar100")
