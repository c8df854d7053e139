"""How much a network computes for one photo."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from jdnet_jax.inference import flax_runner
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.models import lowering


def multiply_adds(card: ModelCard) -> int:
    """Multiply-adds of convolutions and of the classifier for one photo; nothing is computed.

    As papers on networks for phones count them: BatchNorm, activations, pooling and the activation map are left out.

    Raises:
        UserError: the zoo has no such network.
    """
    module = flax_runner.create(dataclasses.replace(card, dtype="float32"), card.model)
    images = jax.ShapeDtypeStruct((1, card.image_size, card.image_size, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: module.init(jax.random.key(0), x), images)
    with lowering.plain():
        traced = jax.make_jaxpr(lambda own, x: module.apply(own, x, train=False))(variables, images)
    return _of(traced.jaxpr)


def _of(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        total += sum(_of(inner.jaxpr) for inner in equation.params.values() if isinstance(inner, ClosedJaxpr))
        outputs = math.prod(equation.outvars[0].aval.shape)
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape  # [height, width, inputs / groups, outputs]
            total += outputs * math.prod(kernel[:3])
        elif equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            total += outputs * math.prod(equation.invars[0].aval.shape[axis] for axis in summed)
    return total
