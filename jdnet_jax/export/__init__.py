"""Export of the hand-off to files that phones, browsers and servers run: `python -m jdnet_jax.export --help`."""
