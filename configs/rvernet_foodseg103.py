"""RveRNet on FoodSeg103: one region of interest for each food of a photo, and its surroundings.

    python -m jdnet_jax.main --config=configs/rvernet_foodseg103.py --config.dataset.data_dir=PATH
    python -m jdnet_jax.main --config=configs/rvernet_foodseg103.py:roi --config.dataset.data_dir=PATH    # food alone

Data: Wu et al., ACM MM 2021, on request from its authors (photos of Recipe1M, for research): PATH holds
`Images/img_dir`, `Images/ann_dir` and `category_id.txt`. One example for each (photo, class). The paper added its own
photos of ketchup and chili paste, which we do not have; `masked_folder` takes such photos with their masks.
Setting: Jin, 2024, arXiv 2407.08257 (PAPER): longest side to 224 and grey padding, flip, Adam, batch 50, 30 epochs,
macro-F1. The paper states a learning rate of 4e-3; the released schedule never reaches it and in effect rises linearly
from 0 to 1e-4, as here (`schedule.warmup` is the whole run). Adam is AdamW without weight decay.
OURS: branches MobileNetV2 and distilled DeiT-tiny, which phones can run (the paper's best are DeiT-B distilled, by
`--config.student.options.context=deit_base_distilled_patch16_224`); one flip for both branches (the release draws two);
integration of features (the release integrates 1000-way logits: `--config.student.options.integration=logits`); val is
a tenth of the official train by photo.
The branches of the paper start from ImageNet weights. None are set here, as they must be fetched (extra `[hub]`):
`--config.student.init.roi=timm/mobilenetv2_100.ra_in1k` `--config.student.init.context=timm/...`
Cost and score: not known; we have not had these photos.
The argument is a view: `roi+context`, `roi`, `context` or `photo`; the last three train the one branch of it alone.
"""

from jdnet_jax.config import default
from jdnet_jax.config.recipes import apply_recipe
from jdnet_jax.config.views import BOTH

ROI_BRANCH, CONTEXT_BRANCH = "mobilenetv2_100", "deit_tiny_distilled_patch16_224"


def get_config(view=BOTH):
    config = default()
    config.dataset.name = "foodseg103"
    config.dataset.view = view
    config.image_size = 224
    config.fit = "pad"
    config.augment.crop_scale = (1.0, 1.0)
    config.augment.flip = True
    config.batch_size = 50
    config.epochs = 30.0

    if view == BOTH:
        options = {"roi": ROI_BRANCH, "context": CONTEXT_BRANCH, "integration": "features", "hidden": 640}
        config.student = {"model": "rvernet", "init": {"roi": "random", "context": "random"}, "options": options}
    else:
        model = CONTEXT_BRANCH if view == "context" else ROI_BRANCH
        config.student = {"model": model, "init": "random", "options": {}}

    config.optimizer.name = "adamw"
    config.optimizer.weight_decay = 0.0
    config.schedule.name = "constant"
    config.schedule.learning_rate = 1e-4
    config.schedule.initial = 0.0
    config.schedule.warmup = 0.9999  # the rate rises to the end
    return apply_recipe(config, "ce")
