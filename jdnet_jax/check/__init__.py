"""What training would make of a folder of photos, told before it: `python -m jdnet_jax.check PHOTOS`."""
