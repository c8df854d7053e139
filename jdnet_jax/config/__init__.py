"""A run's config: every key with its default, the recipes, and the checks that need no data.

What a config is turned into (networks, steps) belongs to `learning`, and the files of configs to `configs/`.
"""

from jdnet_jax.config.defaults import default, teacher

__all__ = ["default", "teacher"]
