"""Computing cost of a network for one image."""

from __future__ import annotations

import math
from typing import Any

import jax
from flax import linen as nn
from jax.extend.core import ClosedJaxpr, Literal

from jdnet_jax.models import initialization, lowering


def multiply_adds(module: nn.Module, image_size: int) -> int:
    """Multiply-adds of convolutions and matrix products for the logits of one image; nothing is computed.

    Counted as in papers on networks for phones: without BatchNorm, activations, pooling and the activation map.

    Args:
        module: a network of the zoo.
        image_size: side of the image in pixels.
    """
    images = module.input_spec.one_image(image_size)
    _, variables = initialization.shapes(module, image_size)

    def logits(variables: Any, x: Any) -> Any:
        outputs: Any = module.apply(variables, x, train=False)
        return outputs.logits

    with lowering.plain():
        traced = jax.make_jaxpr(logits)(variables, images)
    return _of(traced.jaxpr)


def _of(jaxpr: Any) -> int:
    total = 0
    wanted = set(jaxpr.outvars)
    for equation in reversed(jaxpr.eqns):
        if wanted.isdisjoint(equation.outvars):
            continue  # needed only for outputs that are not returned
        wanted.update(value for value in equation.invars if not isinstance(value, Literal))
        total += sum(_of(inner.jaxpr) for inner in equation.params.values() if isinstance(inner, ClosedJaxpr))
        outputs = math.prod(equation.outvars[0].aval.shape)
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape  # [height, width, inputs / groups, outputs]
            total += outputs * math.prod(kernel[:3])
        elif equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            total += outputs * math.prod(equation.invars[0].aval.shape[axis] for axis in summed)
    return total
