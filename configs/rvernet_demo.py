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

from jdnet_jax.config import bases
from jdnet_jax.config.recipes import apply_recipe
from jdnet_jax.config.views import BOTH


def get_config(view=BOTH):
    config = bases.drawn_food()
    config.dataset.view = view
    branch = {"width": 16}
    config.student = {"model": "resnet_tiny", "init": "random", "options": branch}
    if view == BOTH:
        options = {"roi": "resnet_tiny", "context": "resnet_tiny", "roi_options": branch, "context_options": branch}
        config.student = {"model": "rvernet", "init": "random", "options": {**options, "hidden": 64}}
    return apply_recipe(config, "ce")
