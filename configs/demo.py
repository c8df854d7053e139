"""JDNet on the embedded set `synthetic_meals`: no download, some minutes on two CPU cores.

    python -m jdnet_jax.main --config=configs/demo.py
    python -m jdnet_jax.main --config=configs/demo.py:ce        # the student alone, at equal budget

The teacher is trained alone first, in WORKDIR/teachers; then both learn together.
Cost and score: six minutes on one CPU core with the drawing; 78.8 % test top-1 for JDNet's student, 75.6 for the
student alone, three seeds each (configs/README.md).

A teacher and a student that are both small enough for a laptop learn 12 kinds of drawn food, from scratch.
The argument is a recipe of `jdnet_jax.config.recipes.apply_recipe`. Every value here is ours.
"""

from jdnet_jax.config import bases, teacher
from jdnet_jax.config.recipes import apply_recipe


def get_config(recipe="jdnet_trained"):
    config = bases.drawn_food()
    config.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 16}}
    config.teachers = {"teacher": teacher("resnet_tiny", width=32)}
    if recipe == "kd" or recipe.startswith("jdnet_trained"):
        bases.couple(config, recipe)
    else:
        # The couplings grow from nothing: a teacher that starts from scratch has nothing to teach at first, and at the
        # end their gradients are a small part of cross-entropy's. (configs/README.md)
        config.losses.mskd.weight, config.losses.ial.weight = 10.0, 1.875
        for coupling in (config.losses.mskd, config.losses.ial):
            coupling.schedule.update(name="linear", warmup=1.0)
    return apply_recipe(config, recipe)
