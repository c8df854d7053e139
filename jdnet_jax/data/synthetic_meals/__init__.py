"""`synthetic_meals`: the dataset that comes with the project, drawn by a NumPy renderer.

`render(label, seed)` draws one photo and the exact mask of its food; `SyntheticMeals` is the TFDS builder.
"""

from jdnet_jax.data.synthetic_meals.builder import SyntheticMeals, SyntheticMealsConfig
from jdnet_jax.data.synthetic_meals.renderer import render
from jdnet_jax.data.synthetic_meals.scene import CLASS_NAMES

__all__ = ["CLASS_NAMES", "SyntheticMeals", "SyntheticMealsConfig", "render"]
