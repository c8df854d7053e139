"""Measurements of a config on this machine: `python -m jdnet_jax.benchmark input --config=configs/food101.py`."""
