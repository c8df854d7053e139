"""How close two ways of computing the same in float32 must come; shared by tests."""

import jax
import numpy as np


def with_pullback(function, *args):
    """The value of a function, and what comes back if that is its gradient, compiled as one program."""

    def both(*args):
        value, pull_back = jax.vjp(function, *args)
        return value, pull_back(value)

    return jax.jit(both)(*args)


def assert_same(values, expected, tolerance=1e-5):
    """No number differs by more than this part of the largest one in its array.

    A sum whose parts cancel keeps the rounding of its parts, so a small number is not measured by itself.
    """
    for (path, wanted), value in zip(jax.tree.leaves_with_path(expected), jax.tree.leaves(values), strict=True):
        largest = np.max(np.abs(wanted), initial=0.0)
        where = jax.tree_util.keystr(path)
        np.testing.assert_allclose(value, wanted, rtol=0, atol=tolerance * largest, err_msg=where)
