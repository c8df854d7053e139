"""The zoo: every network by name, with the names of timm wherever timm has the network."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from jdnet_jax.models import (
    cifar_dpn,
    cifar_googlenet,
    cifar_mobilenet,
    cifar_preact_resnet,
    cifar_vgg,
    convnext,
    densenet,
    efficientnet,
    efficientnet_lite,
    ghostnet,
    mobilenetv2,
    mobilenetv3,
    mobilenetv4,
    regnet,
    resnet,
    rvernet,
    vision_transformer,
)
from jdnet_jax.models.spec import Variant
from jdnet_jax.process.errors import UserError


def names() -> tuple[str, ...]:
    """Every name that `create` knows, sorted."""
    return tuple(sorted(_ZOO))


def create(
    name: str,
    num_classes: int,
    *,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    data_axis: str | None = None,
    **options: Any,
) -> nn.Module:
    """Builds a network of the zoo; nothing is allocated.

    Args:
        name: one of `names()`.
        num_classes: length of the logits.
        dtype: dtype of the computation; parameters, batch statistics and logits stay float32.
        axis_name: mapped axis over which BatchNorm averages its statistics; None keeps them per device.
        data_axis: mapped axis that splits the batch, so that Dropout's masks do not depend on the number of devices.
        **options: options of this network: `drop_rate` (Dropout before the classifier) and its family's.

    Raises:
        UserError: the name or an option is unknown, or a value is not allowed.
    """
    _check_name(name)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise UserError(f"model {name!r}: num_classes must be a positive integer, not {num_classes!r}")
    return _build(name, num_classes, dtype=dtype, axis_name=axis_name, data_axis=data_axis, **options)


def create_backbone(
    name: str, *, dtype: Any = jnp.float32, axis_name: str | None = None, data_axis: str | None = None, **options: Any
) -> nn.Module:
    """A network of the zoo without its classifier, as a part of another network: its `logits` are its features.

    Args:
        name: one of `names()`.
        dtype: as for `create`, and so are the others.
        axis_name: see there.
        data_axis: see there.
        **options: see there.

    Raises:
        UserError: as `create`.
    """
    _check_name(name)
    return _build(name, 0, dtype=dtype, axis_name=axis_name, data_axis=data_axis, **options)


def _check_name(name: str) -> None:
    if name not in _ZOO:
        close = difflib.get_close_matches(name, _ZOO, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UserError(f"unknown model {name!r}: {hint}jdnet_jax.models.names() lists all {len(_ZOO)}")


def _build(name: str, num_classes: int, *, dtype: Any, axis_name: str | None, data_axis: str | None, **options: Any):
    variant = _ZOO[name]
    for option, value in options.items():
        if option not in variant.options:
            raise UserError(f"model {name!r} has no option {option!r}; allowed: {', '.join(sorted(variant.options))}")
        if not variant.options[option].accepts(value):
            raise UserError(f"model {name!r}: {option} must be {variant.options[option].allowed}, not {value!r}")
    fields = {**variant.fields, **options}
    return variant.module(num_classes=num_classes, dtype=dtype, axis_name=axis_name, data_axis=data_axis, **fields)


_ZOO: Mapping[str, Variant] = {
    **resnet.VARIANTS,
    **regnet.VARIANTS,
    **densenet.VARIANTS,
    **mobilenetv2.VARIANTS,
    **mobilenetv3.VARIANTS,
    **mobilenetv4.VARIANTS,
    **efficientnet.VARIANTS,
    **efficientnet_lite.VARIANTS,
    **ghostnet.VARIANTS,
    **vision_transformer.VARIANTS,
    **convnext.VARIANTS,
    **cifar_vgg.VARIANTS,
    **cifar_preact_resnet.VARIANTS,
    **cifar_googlenet.VARIANTS,
    **cifar_mobilenet.VARIANTS,
    **cifar_dpn.VARIANTS,
    **rvernet.variants(create, create_backbone),
}
