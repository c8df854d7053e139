"""What this machine does with a config: `python -m jdnet_jax.benchmark input --config=configs/food101.py`."""
