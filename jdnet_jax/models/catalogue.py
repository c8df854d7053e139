"""The catalogue of the zoo: each network's size, cost, input, taps and activation map; nothing is allocated."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jdnet_jax.models import initialization, registry
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.models.outputs import Outputs


def describe(name: str, num_classes: int) -> dict[str, Any]:
    """One network of the zoo.

    Returns:
        `{"name", "parameters", "multiply_adds", "size", "mean", "std", "stages": [{"name", "channels", "stride"}],
        "activation_map": {"kind", "grid"}}`: multiply-adds of one image of `size` pixels; mean and deviation of RGB in
        [0, 255]; `kind` says what `Outputs.activation` gives (`CAM`, `attention` of the class token, or `Grad-CAM`),
        and `grid` its height and width at that size.

    Raises:
        UserError: the zoo has no such network, or `num_classes` is not positive.
    """
    module = registry.create(name, num_classes)
    spec = module.input_spec
    outputs, variables = initialization.shapes(module, spec.size)
    activation = jax.eval_shape(Outputs.activation, outputs, jax.ShapeDtypeStruct((1,), jnp.int32))
    return {
        "name": name,
        "parameters": sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"])),
        "multiply_adds": multiply_adds(module, spec.size),
        "size": spec.size,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "stages": [{"name": tap.name, "channels": tap.channels, "stride": tap.stride} for tap in module.stages],
        "activation_map": {"kind": _kind(outputs), "grid": list(activation.shape[1:])},
    }


def _kind(outputs: Outputs) -> str:
    if outputs.maps is not None:
        return "CAM"
    return "attention" if outputs.attention is not None else "Grad-CAM"


_COLUMNS = ("", "M params", "M mult-adds", "px", "mean", "std", "activation map", "stages: channels@stride")
_FORMAT = "{:<34}{:>9}{:>13}{:>6}  {:<23} {:<22} {:<16} {}"


def head() -> str:
    """The names of the columns of `line`."""
    return _FORMAT.format(*_COLUMNS)


def line(row: dict[str, Any]) -> str:
    """One result of `describe` as text."""
    return _FORMAT.format(
        row["name"],
        f"{row['parameters'] / 1e6:,.2f}",
        f"{row['multiply_adds'] / 1e6:,.1f}",
        row["size"],
        " ".join(f"{value:g}" for value in row["mean"]),
        " ".join(f"{value:g}" for value in row["std"]),
        f"{row['activation_map']['kind']} {'x'.join(map(str, row['activation_map']['grid']))}",
        " ".join(f"{tap['channels']}@{tap['stride']}" for tap in row["stages"]),
    )
