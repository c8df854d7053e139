"""Tests, in the rooms of what they test."""

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int will do for a float, as PEP 484 says

#: What JAX also builds of shapes, shardings and the like in the arrays' place.
PYTREES = ("HiddenLayer", "Outputs", "TrainState")
#: Modules of data that build TensorFlow's graphs: there a dimension can be unknown, which jaxtyping takes for a size.
GRAPHS = ("augment", "color_jitter", "decoded", "framing", "mixing", "pipeline", "rand_augment", "random_erasing")


def checked(function):
    """Checks the calls of a function against its annotations; pyproject.toml lists the packages where that is done."""
    in_graphs = function.__module__ in {f"jdnet_jax.data.{name}" for name in GRAPHS}
    of_pytree = function.__qualname__ in {f"{name}.__init__" for name in PYTREES}
    return function if in_graphs or of_pytree else _check(function)
