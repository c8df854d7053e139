"""MEAL on SVHN's cropped digits: five teachers, one after the other, then one student of all of them.

    python -m jdnet_jax.main --config=configs/meal_svhn.py:stage=teacher,model=vgg19_bn       # and dpn92, resnet18, ...
    python -m jdnet_jax.main --config=configs/meal_svhn.py                                    # the student
    python -m jdnet_jax.main --config=configs/meal_svhn.py:ce                                 # the student alone

As `configs/meal_cifar10.py`, but (PAPER) without augmentation, and 6,000 images of train are held out; OURS: the last
ones, as val. Data: TFDS `svhn_cropped`; its split `extra` is not used.
Target: not known to us. Meant for a GPU or TPU; not run at full length by us, so the cost is not known.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import meal


def get_config(argument=""):
    config = meal.small_images()
    config.dataset.name = "svhn_cropped"
    config.dataset.splits = {"train": "train[:-6000]", "val": "train[-6000:]", "test": "test"}
    config.dataset.shuffle_buffer = 70_000
    config.augment.flip = False
    return meal.five_teachers(config, argument, "meal_svhn")
