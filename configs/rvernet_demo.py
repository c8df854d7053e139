r"""RveRNet on the embedded set `synthetic_meals`, whose masks are exact: no download, minutes on two CPU cores.

    python -m jdnet_jax.main --config=configs/rvernet_demo.py
    python -m jdnet_jax.main --config=configs/rvernet_demo.py:roi        # one small network, sees the food alone
    python -m jdnet_jax.main --config=configs/rvernet_demo.py:context    # the same, sees all but the food
    python -m jdnet_jax.main --config=configs/rvernet_demo.py:photo      # the same, sees the whole photo
    python -m jdnet_jax.compare --config=configs/rvernet_demo.py --recipes=photo,roi,context,roi+context \
        --seeds=3 --baseline=photo --allow_different --workdir=NEW       # all four, and a table

`ketchup` and `chili_paste` are the same drawn sauce and differ in what they lie on and beside, so the region of
interest alone cannot tell them apart, by construction. The other ten classes are told by the food.
Every value here is ours; the network is RveRNet's (Jin, 2024, arXiv 2407.08257) with two small branches.
The argument is a view: `roi+context`, `roi`, `context` or `photo`.
"""

from jdnet_jax.config import default
from jdnet_jax.config.recipes import apply_recipe
from jdnet_jax.config.views import BOTH


def get_config(view=BOTH):
    config = default()
    config.dataset.name = "synthetic_meals"
    config.dataset.options = {"size": 96, "counts": (4000, 600, 1200), "seed": 0}  # counts of train, val and test
    config.dataset.view = view
    config.image_size = 64
    config.crop_fraction = 1.0  # a plate may lie anywhere in its picture
    config.augment.crop_scale = (0.5, 1.0)
    config.batch_size = 32
    config.eval_batch_size = 200
    config.epochs = 16.0
    config.eval_every = 250
    config.log_every = 50

    branch = {"width": 16}
    config.student = {"model": "resnet_tiny", "init": "random", "options": branch}
    if view == BOTH:
        options = {"roi": "resnet_tiny", "context": "resnet_tiny", "roi_options": branch, "context_options": branch}
        config.student = {"model": "rvernet", "init": "random", "options": {**options, "hidden": 64}}

    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.05
    config.optimizer.clip_norm = 1.0
    config.schedule.learning_rate = 4e-3
    return apply_recipe(config, "ce")
