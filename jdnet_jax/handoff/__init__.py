"""The hand-off: a folder with one network and everything that inference and export need to know about it.

Running it belongs to `inference`, other formats to `export`.
"""

from jdnet_jax.handoff.folder import find, is_handoff, load, save

__all__ = ["find", "is_handoff", "load", "save"]
