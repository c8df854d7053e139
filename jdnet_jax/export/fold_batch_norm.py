"""Folding of BatchNorm into the convolutions before it: the same network for inference, with fewer operations.

(conv(x, kernel) + b - mean) * factor + bias == conv(x, kernel * factor) + (b - mean) * factor + bias
with factor = scale / sqrt(var + epsilon), and b the convolution's bias where it has one
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Literal
from jaxtyping import Array, Float, PyTree

from jdnet_jax.models.batch_norm import BatchNorm, activate, pass_gradient
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.outputs import Outputs

_Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Folded:
    """A network of the zoo without statistics: each BatchNorm is in the convolution before it, or an affine map.

    Attributes:
        module: the network.
        params: its parameters. Where a convolution's output goes to a BatchNorm and nowhere else, its kernel has the
            factors in it, and the offset is the BatchNorm's `bias`, or the convolution's where that has one. Any
            other BatchNorm has its factors as `scale` and its offset as `bias`.
    """

    module: nn.Module
    params: PyTree

    def __call__(self, images: Float[Array, "batch height width channels"]) -> Outputs:
        """Runs the network on normalised images, as in evaluation."""
        with nn.intercept_methods(_apply_folded):
            outputs: Any = self.module.apply({"params": self.params}, images, train=False)
        return outputs


def fold(module: nn.Module, variables: Mapping[str, PyTree], image_size: int | None = None) -> Folded:
    """Folds every BatchNorm of a network; one without any stays as it is.

    Args:
        module: a network of the zoo, without a mapped axis.
        variables: its `params`, and its `batch_stats` where it has BatchNorms.
        image_size: size of the images that it was initialised with, in pixels; None for the published size.
    """
    params = dict(flax.traverse_util.flatten_dict(variables["params"]))
    statistics = flax.traverse_util.flatten_dict(variables.get("batch_stats", {}))
    if not statistics:
        return Folded(module, variables["params"])
    for norm, (epsilon, conv) in _batch_norms(module, variables, image_size).items():
        scale, bias, mean, var = (
            np.asarray(value, np.float64)
            for value in (
                params.pop((*norm, "scale")),
                params.pop((*norm, "bias")),
                statistics[*norm, "mean"],
                statistics[*norm, "var"],
            )
        )
        factor = scale / np.sqrt(var + epsilon)
        offset = bias - mean * factor
        if conv is None:
            params[*norm, "scale"] = factor.astype(np.float32)
        else:
            params[*conv, "kernel"] = (np.asarray(params[*conv, "kernel"], np.float64) * factor).astype(np.float32)
        if conv is not None and (*conv, "bias") in params:
            params[*conv, "bias"] = (np.asarray(params[*conv, "bias"], np.float64) * factor + offset).astype(np.float32)
        else:
            params[*norm, "bias"] = offset.astype(np.float32)
    return Folded(module, flax.traverse_util.unflatten_dict(params))


def _batch_norms(
    module: nn.Module, variables: Mapping[str, PyTree], image_size: int | None
) -> dict[_Path, tuple[float, _Path | None]]:
    """The path of each BatchNorm -> its epsilon, and the path of the convolution that it can be folded into, if any.

    The uses of a convolution's output are read from the traced operations, with a named identity after each convolution
    and before each BatchNorm.
    """
    convs: list[_Path] = []
    norms: list[_Path] = []
    epsilons: dict[_Path, float] = {}

    def mark(call, args, kwargs, context):
        layer = context.module
        if isinstance(layer, BatchNorm) and context.method_name == "slope":
            return call(checkpoint_name(args[0], "slope 0"), *args[1:], **kwargs)
        if _is_call_of(context, BatchNorm):
            epsilons[layer.path] = layer.epsilon
            norms.append(layer.path)
            return call(checkpoint_name(args[0], f"norm {len(norms) - 1}"), *args[1:], **kwargs)
        result = call(*args, **kwargs)
        if _is_call_of(context, (Conv, DepthwiseConv)):
            convs.append(layer.path)
            return checkpoint_name(result, f"conv {len(convs) - 1}")
        return result

    images = module.input_spec.one_image(image_size)
    with nn.intercept_methods(mark):
        traced = jax.make_jaxpr(lambda v, x: module.apply(v, x, train=False))(variables, images)
    pairs = {norms[norm]: convs[conv] for conv, norm in _only_uses(traced.jaxpr)}
    once = Counter(norms), Counter(convs)  # a layer that is called again must stay as it is
    return {
        norm: (epsilon, pairs[norm] if norm in pairs and once[0][norm] == once[1][pairs[norm]] == 1 else None)
        for norm, epsilon in epsilons.items()
    }


def _only_uses(jaxpr: Any) -> Iterator[tuple[int, int]]:
    """Pairs of numbers: each marked convolution whose output is used once, and the marked BatchNorm that uses it.

    The slope of the same BatchNorm does not count as another use.
    """
    marks: dict[str, dict[Any, int]] = {"conv": {}, "norm": {}, "slope": {}}
    uses = Counter(value for value in jaxpr.outvars if not isinstance(value, Literal))
    for equation in jaxpr.eqns:
        uses.update(value for value in equation.invars if not isinstance(value, Literal))
        if equation.primitive.name == "name":
            kind, number = equation.params["name"].split()
            if kind == "slope":
                uses.subtract(equation.invars)
            marks[kind][(equation.outvars if kind == "conv" else equation.invars)[0]] = int(number)
    for value, conv in marks["conv"].items():
        if uses[value] == 1 and value in marks["norm"]:
            yield conv, marks["norm"][value]


def _is_call_of(context: nn.module.InterceptorContext, kind: Any) -> bool:
    return isinstance(context.module, kind) and context.method_name == "__call__"


def _apply_folded(call, args, kwargs, context):
    layer = context.module
    if not isinstance(layer, BatchNorm) or context.method_name not in ("__call__", "slope"):
        return call(*args, **kwargs)
    x = args[0]
    if layer.has_variable("params", "scale"):
        x = x * layer.get_variable("params", "scale")
    if layer.has_variable("params", "bias"):
        x = x + layer.get_variable("params", "bias")
    if context.method_name == "__call__":
        return activate(x, layer.activation)
    scale = layer.get_variable("params", "scale", 1.0)
    return pass_gradient(x, layer.activation, jnp.broadcast_to(scale, x.shape))
