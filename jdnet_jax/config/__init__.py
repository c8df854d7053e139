"""A run's config: every key with its default, the recipes, and the checks that need no data.

Networks and steps made from a config belong to `learning`, and config files to `configs/`.
"""

from jdnet_jax.config.defaults import default, teacher

__all__ = ["default", "teacher"]
