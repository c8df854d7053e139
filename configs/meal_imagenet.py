"""MEAL V2 on ImageNet: a pretrained ResNet-50 learns from the mean of two teachers' softmax, without labels.

    pip install -e '.[hub]'
    python -m jdnet_jax.main --config=configs/meal_imagenet.py                # TFDS `imagenet2012`: a manual download
    python -m jdnet_jax.main --config=configs/meal_imagenet.py:student=mobilenetv3_large
    python -m jdnet_jax.main --config=configs/meal_imagenet.py:meal_none      # V1 with blocks, without discriminators

Recipe (PAPER, MEAL V2's released code): the mean of the teachers' softmax, one discriminator on the logits (1000 -> 125
-> 15 -> 2), no labels, no weight decay, SGD 0.01 and after epoch 100 of 180 0.001, batch 512, random crops and flips,
a student that starts pretrained. OURS: the teachers, from the zoo with timm's weights from the hub, so none has to
be trained first; crops of at least 8 % of the area; and how the student and the discriminator oppose
each other (`reversal`, see `losses.adversarial`).
Protocol: the last 10,000 photos of train are val; TFDS's `validation` is the test set.
Target: the paper reports 80.67 % top-1 for ResNet-50 and 76.92 % for MobileNetV3-Large (the paper's numbers, with
other teachers, not reproduced here). Meant for a TPU v5e-8 or GPUs; not run at full length by us.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import default, meal
from jdnet_jax.config.meal import Entry

NETWORKS = {
    "resnet152": Entry("resnet152", trained="timm/resnet152.a1h_in1k"),
    "seresnext50": Entry("seresnext50_32x4d", trained="timm/seresnext50_32x4d.racm_in1k"),
    "resnet50": Entry("resnet50", init="timm/resnet50.tv_in1k"),
    "resnet18": Entry("resnet18", init="timm/resnet18.tv_in1k"),
    "mobilenetv3_large": Entry("mobilenetv3_large_100", init="timm/mobilenetv3_large_100.ra_in1k"),
    "efficientnet_b0": Entry("efficientnet_b0", init="timm/efficientnet_b0.ra_in1k"),
}


def get_config(argument=""):
    config = default()
    config.dataset.name = "imagenet2012"
    config.dataset.splits = {"train": "train[:-10000]", "val": "train[-10000:]", "test": "validation"}
    config.image_size = 224
    config.augment.crop_scale = (0.08, 1.0)
    config.batch_size = 512
    config.epochs = 180.0
    config.optimizer.update(name="sgd", momentum=0.9, nesterov=False, weight_decay=0.0)
    config.schedule.update(name="step", learning_rate=0.01, warmup=0.0, boundaries=(100 / 180,), decay=0.1)
    config.blocks.lengths = (784, 196, 49, 16)  # for recipes other than meal_v2, which compares logits alone
    config.losses.similarity.options.gammas = (0.001, 0.01, 0.05, 0.1, 1.0)
    config.compute_dtype = "bfloat16"
    config.log_every = 100
    config.select = "last"
    usual = meal.Argument(
        recipe="meal_v2",
        teachers=("resnet152", "seresnext50"),
        student="resnet50",
        handoffs="runs/meal_imagenet-stage=teacher,model={}",
    )
    return meal.configure(config, argument, usual, NETWORKS)
