"""The shapes of a network and its fresh variables, from one trace of it.

Tracing a large network takes a second, and a start asks for its outputs' shapes, its variables' shapes, and values. The
values come from the part of the trace that they depend on, a few operations for each parameter, evaluated one by one
(see `initializers`): compiled into one program, they would take longer than a train step.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.extend.core import ClosedJaxpr
from jax.interpreters import partial_eval
from jaxtyping import Array, PRNGKeyArray, PyTree

from jdnet_jax.models.outputs import Outputs


def shapes(module: nn.Module, image_size: int) -> tuple[Outputs, PyTree]:
    """Shapes of the outputs for one image and of the variables; nothing is allocated or computed.

    Args:
        module: a network of the zoo.
        image_size: side of the image in pixels.

    Raises:
        UserError: the network cannot take images of this size.
    """
    return _traced(module, image_size)[0]


def draw(module: nn.Module, image_size: int, key: PRNGKeyArray) -> PyTree:
    """Fresh variables: what `module.init(key, image, train=False)` gives, without computing the outputs.

    Raises:
        UserError: the network cannot take images of this size.
    """
    tree: Any = jax.tree.structure(shapes(module, image_size)[1])
    return jax.tree.unflatten(tree, _evaluated(_traced(module, image_size)[1], key, [True] * tree.num_leaves))


def draw_some(
    module: nn.Module, image_size: int, key: PRNGKeyArray, paths: Collection[tuple[str, ...]]
) -> dict[tuple[str, ...], Array]:
    """The variables of `draw` at some paths only, such as `("params", "fc", "kernel")`."""
    leaves = jax.tree_util.tree_leaves_with_path(shapes(module, image_size)[1])
    names = [tuple(step.key for step in path) for path, _ in leaves]
    wanted = [name in paths for name in names]
    values = _evaluated(_traced(module, image_size)[1], key, wanted)
    return dict(zip((name for name in names if name in paths), values, strict=True))


@functools.cache
def _traced(module: nn.Module, image_size: int) -> tuple[tuple[Outputs, PyTree], ClosedJaxpr]:
    """The shapes, and the traced initialisation as a function of a key."""

    def init(key: PRNGKeyArray, image: Any) -> Any:
        return module.init_with_output(key, image, train=False)

    # Any key does: it is an argument of the trace.
    traced, both = jax.make_jaxpr(init, return_shape=True)(jax.random.key(0), module.input_spec.one_image(image_size))
    outputs, variables = (len(jax.tree.leaves(part)) for part in both)
    wanted = [False] * outputs + [True] * variables
    drawing, (_, reads_image) = partial_eval.dce_jaxpr(traced.jaxpr, wanted, instantiate=[True, False])
    if reads_image:
        raise TypeError(f"{type(module).__name__}: its variables depend on the image")
    return both, ClosedJaxpr(drawing, traced.consts)


def _evaluated(drawing: ClosedJaxpr, key: PRNGKeyArray, wanted: list[bool]) -> list[Array]:
    """The wanted results."""
    part, _ = partial_eval.dce_jaxpr(drawing.jaxpr, wanted, instantiate=True)
    values = jax.core.eval_jaxpr(part, drawing.consts, key)
    # Constants are NumPy arrays of the trace, which all draws share: copied.
    return [value if isinstance(value, jax.Array) else jax.device_put(np.array(value)) for value in values]
