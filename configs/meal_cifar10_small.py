"""MEAL on CIFAR-10 for one CPU core: three small teachers, a smaller student, six epochs each.

    python -m jdnet_jax.main --config=configs/meal_cifar10_small.py:stage=teacher,model=A --config.dataset.data_dir=PATH
    python -m jdnet_jax.main --config=configs/meal_cifar10_small.py --config.dataset.data_dir=PATH     # the student
    python -m tests.benchmarks.meal_ablation --help     # all recipes over several seeds, in one table

Teachers (A): resnet32 and resnet48 (`resnet_tiny` of these widths) and mobilenetv2; the student is a `resnet_tiny` of
width 16. Data: CIFAR-10 as Parquet; PATH holds `train.parquet` and `test.parquet` with the columns `image` and `label`,
as in the hub's `uoft-cs/cifar10` (there the first is `img`: --config.dataset.options.image_column=img). Ours were
once recompressed as JPEG, so numbers are not quite comparable with those on the original. A tenth of train is val.
Recipe: the blocks' weights are the paper's last four, padding by 4 and flips the paper's too; batch, epochs, schedule,
networks and lengths are ours.
The argument is that of `configs/meal_cifar10.py`.
"""

from jdnet_jax.config import meal
from jdnet_jax.config.meal import Entry

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NETWORKS = {
    "resnet16": Entry("resnet_tiny", {"width": 16}),
    "resnet32": Entry("resnet_tiny", {"width": 32}),
    "resnet48": Entry("resnet_tiny", {"width": 48}),
    "mobilenetv2": Entry("mobilenetv2_100", stages=(0, 1, 2)),
}


def get_config(argument=""):
    config = meal.small_images()
    config.dataset.name = "parquet"
    config.dataset.options = {"names": CLASS_NAMES, "image_column": "image"}
    config.dataset.shuffle_buffer = 50_000
    config.augment.pad = 4
    config.epochs = 6.0
    config.schedule.update(name="cosine", warmup=0.05)
    config.blocks.lengths = (64, 16, 4)
    config.losses.similarity.options.gammas = (0.01, 0.05, 0.1, 1.0)
    config.eval_every = 1000
    usual = meal.Argument(
        teachers=("resnet32", "resnet48", "mobilenetv2"),
        student="resnet16",
        handoffs="runs/meal_cifar10_small-stage=teacher,model={}",
    )
    return meal.configure(config, argument, usual, NETWORKS)
