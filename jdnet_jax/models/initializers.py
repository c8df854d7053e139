"""Initialisers with the same values as Flax's; `normal` needs no separate program for each shape.

`jax.random.normal` compiles a program for each shape, and the kernels of a network have dozens of shapes; drawn all
within one program, they are a hundred copies of the same code. Either compiles for as long as a train step does. Number
i of a draw depends on the key and i alone (JAX's `jax_threefry_partitionable`, which is its default), so outside
of a trace these draw a power of two of numbers, for which a dozen programs suffice, and keep the first ones.
Inside a trace the values are the same except for rounding.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jaxtyping import Array, Float, PRNGKeyArray

Initializer = nn.initializers.Initializer

_FEWEST = 1024  # the fewest numbers that are drawn at once


def normal(deviation: float) -> Initializer:
    """Normal with mean 0 and a standard deviation, as `nn.initializers.normal`."""

    def init(key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, ...]:
        return _normal.bind(key, shape=tuple(shape), deviation=float(deviation)).astype(dtype)

    return init


def constant(value: float) -> Initializer:
    """The same value everywhere; the key may be None."""

    def init(key: PRNGKeyArray | None, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Float[Array, ...]:
        return jnp.asarray(np.full(shape, value, dtype))

    return init


zeros = constant(0.0)
ones = constant(1.0)


def _drawn(key: PRNGKeyArray, *, shape: tuple[int, ...], deviation: float) -> Float[Array, ...]:
    count = math.prod(shape)
    numbers = np.asarray(_standard_normal(key, _at_least(count)))[:count]
    # `jnp.asarray` would compile a program for each shape.
    return jax.device_put((numbers * np.float32(deviation)).reshape(shape))


def _traced(key: PRNGKeyArray, *, shape: tuple[int, ...], deviation: float) -> Float[Array, ...]:
    return jax.random.normal(key, shape) * np.float32(deviation)


@functools.partial(jax.jit, static_argnums=1)
def _standard_normal(key: PRNGKeyArray, count: int) -> Float[Array, " count"]:
    return jax.random.normal(key, (count,))


def _at_least(count: int) -> int:
    """The number of values to draw, rounded up to a power of two."""
    return max(_FEWEST, 1 << max(count - 1, 0).bit_length())


# An operation of JAX, as only that is still to be seen in a trace, where it can be evaluated alone (`initialization`).
_normal = Primitive("initial_normal")
_normal.def_impl(_drawn)
_normal.def_abstract_eval(lambda key, *, shape, deviation: jax.core.ShapedArray(shape, jnp.float32))
mlir.register_lowering(_normal, mlir.lower_fun(_traced, multiple_results=False))
