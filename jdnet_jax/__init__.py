"""Joint training of a large teacher and a small mobile student for food recognition, in JAX and Flax."""

__version__ = "0.1.0"
