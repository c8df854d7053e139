"""MEAL on SVHN's cropped digits: five teachers, one after the other, then one student of all of them.

    python -m jdnet_jax.main --config=configs/meal_svhn.py:stage=teacher,model=vgg19_bn       # and dpn92, resnet18, ...
    python -m jdnet_jax.main --config=configs/meal_svhn.py                                    # the student
    python -m jdnet_jax.main --config=configs/meal_svhn.py:ce                                 # the student alone

As `configs/meal_cifar10.py`, but (PAPER) without augmentation, and 6,000 images of train are held out; OURS: the last
ones, as val. Data: TFDS `svhn_cropped`; its split `extra` is not used.
Target: not known to us. Meant for a GPU or TPU; not run at full length by us, so what it costs is not known.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import default, meal


def get_config(argument=""):
    config = default()
    config.dataset.name = "svhn_cropped"
    config.dataset.splits = {"train": "train[:-6000]", "val": "train[-6000:]", "test": "test"}
    config.dataset.shuffle_buffer = 70_000
    meal.small_images(config)
    config.augment.flip = False
    config.select = "last"
    usual = meal.Argument(
        teachers=meal.FIVE_TEACHERS,
        student="densenet_cifar",
        handoffs="runs/meal_svhn-stage=teacher,model={}",
    )
    return meal.configure(config, argument, usual, meal.SMALL_IMAGES)
