"""Masks of the food in photos that have none: `python -m jdnet_jax.segment`."""
