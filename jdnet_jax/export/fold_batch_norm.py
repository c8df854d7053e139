"""BatchNorm folded into the convolutions before it: the same network for inference, with fewer operations.

(conv(x, kernel) - mean) * factor + bias == conv(x, kernel * factor) + (bias - mean * factor)
with factor = scale / sqrt(var + epsilon)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from jdnet_jax.models.batch_norm import BatchNorm, activate, pass_gradient
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.outputs import Outputs

_Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Folded:
    """A network of the zoo in which each BatchNorm is a bias added to the convolution before it.

    Attributes:
        module: the network.
        params: its parameters: kernels with the BatchNorms' factors in them; of a BatchNorm the `bias` alone.
    """

    module: nn.Module
    params: PyTree

    def __call__(self, images: Float[Array, "batch height width 3"]) -> Outputs:
        """Runs the network on normalised images, as in evaluation."""
        with nn.intercept_methods(_add_bias):
            outputs: Any = self.module.apply({"params": self.params}, images, train=False)
        return outputs


def fold(module: nn.Module, variables: Mapping[str, PyTree]) -> Folded:
    """Folds every BatchNorm of a network.

    Args:
        module: a network of the zoo, without a mapped axis.
        variables: its `params` and `batch_stats`.

    Raises:
        ValueError: a BatchNorm that does not follow a convolution.
    """
    params = dict(flax.traverse_util.flatten_dict(variables["params"]))
    statistics = flax.traverse_util.flatten_dict(variables["batch_stats"])
    for norm, (conv, epsilon) in _pairs(module, variables).items():
        scale, bias, mean, var = (
            np.asarray(value, np.float64)
            for value in (
                params.pop((*norm, "scale")),
                params[*norm, "bias"],
                statistics[*norm, "mean"],
                statistics[*norm, "var"],
            )
        )
        factor = scale / np.sqrt(var + epsilon)
        kernel = np.asarray(params[*conv, "kernel"], np.float64)
        params[*conv, "kernel"] = (kernel * factor).astype(np.float32)
        params[*norm, "bias"] = (bias - mean * factor).astype(np.float32)
    return Folded(module, flax.traverse_util.unflatten_dict(params))


def _pairs(module: nn.Module, variables: Mapping[str, PyTree]) -> dict[_Path, tuple[_Path, float]]:
    """For the path of each BatchNorm that of the convolution whose output it takes, and its epsilon."""
    convolved: list[tuple[Any, _Path]] = []  # the outputs themselves: a tracer is known by its identity alone
    pairs: dict[_Path, tuple[_Path, float]] = {}

    def look(call, args, kwargs, context):
        result = call(*args, **kwargs)
        layer = context.module
        if isinstance(layer, (Conv, DepthwiseConv)):
            convolved.append((result, layer.path))
        elif isinstance(layer, BatchNorm):
            source = next((path for output, path in convolved if output is args[0]), None)
            if source is None:
                raise ValueError(
                    f"{'/'.join(layer.path)} does not follow a convolution, so it cannot be folded into one"
                )
            pairs[layer.path] = source, layer.epsilon
        return result

    size = module.input_spec.size
    with nn.intercept_methods(look):
        jax.eval_shape(lambda v, x: module.apply(v, x, train=False), variables, jnp.zeros((1, size, size, 3)))
    return pairs


def _add_bias(call, args, kwargs, context):
    layer = context.module
    if not isinstance(layer, BatchNorm):
        return call(*args, **kwargs)
    bias: Array = layer.get_variable("params", "bias")
    y = args[0] + bias
    if context.method_name == "slope":
        return pass_gradient(y, layer.activation, jnp.ones_like(y))
    return activate(y, layer.activation)
