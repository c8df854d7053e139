"""MEAL on iMaterialist Product 2019, 2,019 classes: a ResNet-101 learns from three teachers.

    python -m jdnet_jax.main --config=configs/meal_imaterialist.py:stage=teacher,model=A --config.dataset.data_dir=PATH
    python -m jdnet_jax.main --config=configs/meal_imaterialist.py --config.dataset.data_dir=PATH

Teachers: resnet101, resnet152 and seresnext50, each (A) trained with the first command, from timm's ImageNet weights
(`pip install -e '.[hub]'`), as the student is.
Data: the files of the challenge on Kaggle, see `jdnet_jax.data.imaterialist_product_2019`, which holds out test.
Target: the paper reports top-3 1.15 points above ResNet-101's (the paper's number, not reproduced here; its teachers
and schedule for this set are not known to us). Meant for GPUs or TPUs; we have not had the photos.
Recipe: MEAL's blocks and their weights are the paper's for CIFAR-10; lengths, schedule, crops and teachers are ours.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import default, meal
from jdnet_jax.config.meal import Entry
from jdnet_jax.config.routing import DISCRIMINATORS

NETWORKS = {
    "resnet101": Entry("resnet101", init="timm/resnet101.a1h_in1k"),
    "resnet152": Entry("resnet152", init="timm/resnet152.a1h_in1k"),
    "seresnext50": Entry("seresnext50_32x4d", init="timm/seresnext50_32x4d.racm_in1k"),
}


def get_config(argument=""):
    config = default()
    config.dataset.name = "imaterialist_product_2019"
    config.image_size = 224
    config.augment.crop_scale = (0.25, 1.0)
    config.batch_size = 256
    config.epochs = 20.0
    config.optimizer.update(name="sgd", momentum=0.9, weight_decay=1e-4)
    config.schedule.update(learning_rate=0.05, warmup=0.05)
    config.blocks.lengths = (784, 196, 49, 16)
    config.losses.similarity.options.gammas = (0.001, 0.01, 0.05, 0.1, 1.0)
    config.groups = {DISCRIMINATORS: {"schedule": {"learning_rate": 1e-3}}}
    config.compute_dtype = "bfloat16"
    config.log_every = 100
    usual = meal.Argument(
        teachers=("resnet101", "resnet152", "seresnext50"),
        student="resnet101",
        handoffs="runs/meal_imaterialist-stage=teacher,model={}",
    )
    return meal.configure(config, argument, usual, NETWORKS)
