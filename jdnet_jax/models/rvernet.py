"""RveRNet: one network for the food, the region of interest (ROI), another for its surroundings, joined after both.

PAPER (Jin, 2024, arXiv 2407.08257): x1 is the ROI with everything else black, x2 its complement; f(x1) and g(x2) are
two whole networks that share no weights; the integration module puts their outputs side by side, then Dense 640, ReLU
and Dense to the classes. As released these outputs are the two 1000-way logits (`integration="logits"`).
OURS: the outputs are the networks' penultimate features (`integration="features"`, the default), so that no
classes of ImageNet are involved; any two networks of the zoo; Dropout (`drop_rate`) before the last layer; the
branches' activation maps; either branch alone with the same integration module, as the baseline.

The two images come as one of six channels, the ROI's and then the context's, so that each is normalised with the mean
and the deviation of its branch.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jdnet_jax.models.linear_head import classify
from jdnet_jax.models.outputs import HiddenLayer, Outputs
from jdnet_jax.models.parameter import Parameter
from jdnet_jax.models.pointwise import EXACT
from jdnet_jax.models.spec import COMMON_OPTIONS, InputSpec, Option, Stage, Variant
from jdnet_jax.process.errors import UserError

ROI, CONTEXT, BOTH = "roi", "context", "both"
#: Length of the branches' logits where logits are integrated: their ImageNet classifiers'.
IMAGENET_CLASSES = 1000

NAME = "rvernet"
#: The network of each branch, where the options do not choose another.
BRANCHES = {ROI: "mobilenetv2_100", CONTEXT: "deit_tiny_distilled_patch16_224"}


class RveRNet(nn.Module):
    """Two networks and the module that integrates them.

    Attributes:
        num_classes: length of the logits.
        roi: the branch on the region of interest; None where the context is looked at alone.
        context: the branch on the context; None where the region of interest is looked at alone.
        hidden: width of the integration module.
        dtype: dtype of the branches' computation; the integration is float32.
        axis_name: mapped axis over which the branches' BatchNorm averages; they have it already.
        drop_rate: probability of Dropout before the last layer.
        data_axis: mapped axis that splits the batch, for what Dropout draws.
    """

    num_classes: int
    roi: nn.Module | None
    context: nn.Module | None
    hidden: int = 640
    dtype: Any = jnp.float32
    axis_name: str | None = None
    drop_rate: float = 0.0
    data_axis: str | None = None

    @property
    def _branches(self) -> dict[str, Any]:
        return {name: branch for name in (ROI, CONTEXT) if (branch := getattr(self, name)) is not None}

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The taps of the region's branch, then those of the context's."""
        return tuple(
            Stage(f"{name}.{stage.name}", stage.channels, stage.stride)
            for name, branch in self._branches.items()
            for stage in branch.stages
        )

    @property
    def input_spec(self) -> InputSpec:
        """Mean and deviation of the six channels; the size is that of the branch made for larger images."""
        specs = [branch.input_spec for branch in self._branches.values()]
        roi, context = specs[0], specs[-1]
        return InputSpec(roi.mean + context.mean, roi.std + context.std, max(spec.size for spec in specs))

    @nn.compact
    def __call__(self, images: Float[Array, "batch height width channels"], *, train: bool = False) -> Outputs:
        """Runs both branches on normalised images.

        Raises:
            UserError: images of another number of channels, or of a size that a branch cannot take.
        """
        if images.shape[-1] != 6:
            raise UserError(
                f"rvernet takes the region of interest and its context, 6 channels, not {images.shape[-1]}: "
                "set config.dataset.view='roi+context'"
            )
        views = {ROI: images[..., :3], CONTEXT: images[..., 3:]}
        outputs = [branch(views[name], train=train) for name, branch in self._branches.items()]
        dense = nn.Dense(self.hidden, precision=EXACT, name="integration")
        hidden = dense(jnp.concatenate([branch.logits for branch in outputs], axis=-1))
        logits, kernel = classify(self, nn.relu(hidden), "head", train=train)
        slopes = (hidden > 0).astype(jnp.float32)  # of the ReLU
        parts, begin = [], 0
        for branch in outputs:
            end = begin + branch.logits.shape[-1]
            columns: Parameter = dense.get_variable("params", "kernel")[begin:end]
            parts.append(seen_through(columns, slopes, branch, logits, kernel))
            begin = end
        stages = tuple(tap for branch in outputs for tap in branch.stages)
        return dataclasses.replace(parts[0], stages=stages, context=parts[1] if len(parts) == 2 else None)


def seen_through(
    integration: Float[Parameter, "outputs hidden"],
    slopes: Float[Array, "batch hidden"],
    branch: Outputs,
    logits: Float[Array, "batch classes"],
    kernel: Float[Parameter, "hidden classes"] | None,
) -> Outputs:
    """The outputs of a branch with the logits of the whole network, so that its activation map explains these.

    The gradient of a logit with respect to what the branch averages runs through the integration's ReLU and, where the
    branch has them, through its classifier and hidden layer; all are linear or have a slope that is known, so it is
    a closed form, as for any `HiddenLayer`.

    Args:
        integration: the branch's rows of the integration's first kernel.
        slopes: slopes of the integration's ReLU.
        branch: the branch's outputs.
        logits: logits of the whole network.
        kernel: kernel of the last layer.
    """
    if branch.attention is not None:
        return Outputs(logits=logits, stages=branch.stages, attention=branch.attention)
    maps = branch.maps if branch.hidden is None else branch.hidden.maps
    assert maps is not None
    # A classifier with no activation after it and the integration's layer are one linear map.
    columns = integration if branch.kernel is None else jnp.matmul(branch.kernel, integration, precision=EXACT)
    hidden = HiddenLayer(maps, columns, slopes, before=branch.hidden)
    return Outputs(logits=logits, stages=branch.stages, kernel=kernel, hidden=hidden)


def _create(
    create: Callable[..., Any],
    create_backbone: Callable[..., Any],
    *,
    num_classes: int,
    roi: str,
    context: str,
    roi_options: Mapping[str, Any],
    context_options: Mapping[str, Any],
    integration: str,
    branches: str,
    **fields: Any,
) -> RveRNet:
    shared = {key: fields[key] for key in ("dtype", "axis_name", "data_axis")}
    made: dict[str, Any] = {ROI: None, CONTEXT: None}
    for name, model, options in ((ROI, roi, roi_options), (CONTEXT, context, context_options)):
        if branches not in (name, BOTH):
            continue
        if model == NAME:
            raise UserError(f"rvernet: its branch {name} cannot be another {model}")
        if integration == "logits":
            made[name] = create(model, IMAGENET_CLASSES, **shared, **options)
        else:
            made[name] = create_backbone(model, **shared, **options)
    return RveRNet(num_classes=num_classes, **made, **fields)


def _one_of(*values: str) -> Option:
    return Option(lambda value: value in values, " or ".join(map(repr, values)))


_MODEL = Option(lambda value: isinstance(value, str), "the name of a network")
_OPTIONS = Option(lambda value: isinstance(value, Mapping), "a section with options of that network")


def variants(create: Callable[..., Any], create_backbone: Callable[..., Any]) -> dict[str, Variant]:
    """The names of the family.

    Args:
        create: builds a network of the zoo by name, see `registry.create`.
        create_backbone: the same without its classifier, see `registry.create_backbone`.
    """
    return {
        NAME: Variant(
            functools.partial(_create, create, create_backbone),
            {
                **BRANCHES,
                "roi_options": {},
                "context_options": {},
                "integration": "features",
                "branches": BOTH,
                "hidden": 640,
            },
            {
                **COMMON_OPTIONS,
                "roi": _MODEL,
                "context": _MODEL,
                "roi_options": _OPTIONS,
                "context_options": _OPTIONS,
                "integration": _one_of("features", "logits"),
                "branches": _one_of(BOTH, ROI, CONTEXT),
                "hidden": Option(
                    lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
                    "a positive integer",
                ),
            },
        )
    }
