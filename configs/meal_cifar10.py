"""MEAL on CIFAR-10: five teachers, one after the other, then one student of all of them.

    python -m jdnet_jax.main --config=configs/meal_cifar10.py:stage=teacher,model=vgg19_bn  # and dpn92, ...
    python -m jdnet_jax.main --config=configs/meal_cifar10.py                               # the student
    python -m jdnet_jax.main --config=configs/meal_cifar10.py:meal_none                     # no discriminators
    python -m jdnet_jax.main --config=configs/meal_cifar10.py:ce                            # the student alone

Shen, He, Xue, AAAI 2019. Teachers (PAPER): vgg19_bn, dpn92, resnet18, preactresnet18, densenet_cifar; the student is
densenet_cifar, as in the released code's example for five teachers; `student=` takes another, also googlenet,
resnext29_2x64d, mobilenet. Names of the zoo do as well (`cifar_vgg19_bn`).
Data: TFDS `cifar10`. Protocol: OURS holds out the last 5,000 of train as val; the last checkpoint is tested once.
Recipe: PAPER, see `jdnet_jax.config.meal.small_images`, which marks our choices; padding by 4 pixels and flips.
Target: not known to us for CIFAR-10. Meant for a GPU or TPU; not run at full length by us, so the cost is not known.
The argument is `[RECIPE][,teachers=A+B][,student=NAME][,handoffs=PATTERN]`: a recipe of
`jdnet_jax.config.recipes.apply_recipe`, and the paths of the teachers' runs, with `{}` for a teacher's name; by default
where the first command leaves them.
"""

from jdnet_jax.config import meal


def get_config(argument=""):
    config = meal.small_images()
    config.dataset.name = "cifar10"
    config.dataset.splits = {"train": "train[:45000]", "val": "train[45000:]", "test": "test"}
    config.dataset.shuffle_buffer = 50_000
    config.augment.pad = 4
    return meal.five_teachers(config, argument, "meal_cifar10")
