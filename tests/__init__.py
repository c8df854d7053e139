"""Tests, in the rooms of what they test."""

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int will do for a float, as PEP 484 says

#: What JAX also builds of shapes, shardings and the like in the arrays' place.
PYTREES = ("HiddenLayer", "Outputs", "TrainState")


def checked(function):
    """Checks the calls of a function against its annotations; pyproject.toml lists the packages where that is done."""
    return function if function.__qualname__ in {f"{name}.__init__" for name in PYTREES} else _check(function)
