from ml_collections import ConfigDict

from jdnet_jax.config import defaults


def changed(**changes) -> ConfigDict:
    """The default config with some keys changed, `__` in place of their dots."""
    config = defaults.default()
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config
