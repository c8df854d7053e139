"""The configs of the recipes that are compared: one config file, read once for each recipe, with the same flags."""

from __future__ import annotations

import pprint
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

from jdnet_jax.config import check as config_check
from jdnet_jax.process.errors import UserError

_PAGE = '''"""{about}"""

from ml_collections import ConfigDict


def get_config():
    return ConfigDict({values})
'''


def load(file: str, recipe: str, overrides: Sequence[str]) -> ConfigDict:
    """The config of a file for a recipe, with the values that `overrides` set.

    Args:
        file: file of the config, with its options if it has any: `configs/food101.py:pair=NAME`.
        recipe: goes into the file's argument, before the options; '' for the file's default.
        overrides: flags such as `--config.steps=100`. Keys of the file's default config that this recipe lacks, as `ce`
            lacks those of teachers, are left out.

    Raises:
        UserError: no such file, recipe or key, or a value that cannot be.
    """
    path, _, options = file.partition(":")
    argument = ",".join(filter(None, (recipe, options)))
    name = f"{path}:{argument}" if argument else path
    try:
        of_file, plain = _parsed(file, []), _parsed(name, [])
        return _parsed(name, [flag for flag in overrides if _has(plain, flag) or not _has(of_file, flag)])
    except (flags.Error, AttributeError, KeyError, OSError, ValueError, TypeError) as error:
        raise UserError(f"--config={name}: {' '.join(str(error).split())}") from error


def page(config: ConfigDict, about: str) -> str:
    """The config as a config file, every value written out."""
    values = pprint.pformat(config.to_dict(), sort_dicts=False, width=100)
    return _PAGE.format(about=about, values=values)


def check(config: ConfigDict, recipe: str) -> None:
    """Checks a config as `config_check.check` does; the error names the recipe.

    Raises:
        UserError: a key or value of the config is wrong.
    """
    try:
        config_check.check(config)
    except UserError as error:
        raise UserError(f"recipe {recipe}: {error}") from error


def _parsed(name: str, arguments: Sequence[str]) -> ConfigDict:
    values = flags.FlagValues()
    argv = ["compare", f"--config={name}", *arguments]
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    config = values["config"].value
    assert config is not None
    _ = config.recipe  # a file that cannot be loaded is reported at its first use
    return config


def _has(config: ConfigDict, flag: str) -> bool:
    key = flag.lstrip("-").partition("=")[0].removeprefix("config.")
    section = config
    for part in key.split("."):
        if not isinstance(section, ConfigDict) or part not in section:
            return False
        section = section[part]
    return True
