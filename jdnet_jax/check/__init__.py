"""A check of a folder of photos before training: `python -m jdnet_jax.check PHOTOS`."""
