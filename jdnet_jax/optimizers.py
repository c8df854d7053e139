"""Learning-rate schedules and optimisers, one for each network or parameter group, built with optax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax
from jaxtyping import Array, Int, PyTree


def learning_rate(schedule: Mapping[str, Any], steps: int) -> optax.Schedule:
    """Learning rate at a step: a linear warm-up, then cosine to `final`, constant, or multiplied at boundaries.

    Args:
        schedule: the config's `schedule`; its lengths are shares of the run.
        steps: length of the run.
    """
    peak = schedule["learning_rate"]
    warmup = round(schedule["warmup"] * steps)
    match schedule["name"]:
        case "cosine":
            decay: optax.Schedule = optax.cosine_decay_schedule(peak, max(1, steps - warmup), alpha=schedule["final"])
        case "constant":
            decay = optax.constant_schedule(peak)
        case "step":
            boundaries = {round(share * steps) - warmup: schedule["decay"] for share in schedule["boundaries"]}
            decay = optax.piecewise_constant_schedule(peak, boundaries)
        case name:
            raise ValueError(f"unknown learning-rate schedule {name!r}")
    if warmup == 0:
        return decay
    return optax.join_schedules([optax.linear_schedule(schedule["initial"] * peak, peak, warmup), decay], [warmup])


def build(optimizer: Mapping[str, Any], schedule: Mapping[str, Any], steps: int) -> optax.GradientTransformation:
    """Clip the group's gradient norm, decay the kernels, and take a step of SGD or AdamW (Loshchilov & Hutter, 2019).

    SGD's decay is added to the gradient (coupled); AdamW's is decoupled and scaled by the learning rate.
    """
    rate = learning_rate(schedule, steps)
    decay = optimizer["weight_decay"]
    parts = [optax.clip_by_global_norm(optimizer["clip_norm"])] if optimizer["clip_norm"] else []
    match optimizer["name"]:
        case "sgd":
            if decay:
                parts.append(optax.add_decayed_weights(decay, mask=decays))
            parts.append(optax.sgd(rate, momentum=optimizer["momentum"] or None, nesterov=optimizer["nesterov"]))
        case "adamw":
            moments = {key: optimizer[key] for key in ("b1", "b2", "eps")}
            parts.append(optax.adamw(rate, **moments, weight_decay=decay, mask=decays))
        case name:
            raise ValueError(f"unknown optimizer {name!r}")
    return optax.chain(*parts)


def at_step(state: PyTree, step: Int[Array, ""]) -> PyTree:
    """The optimiser's state with its schedule at another step of the run; all else stays as it is.

    Optax counts the updates that were taken. The schedule must follow the run instead, so that it ends with it where
    an update was left out; Adam's own count goes on with the updates that its moments have seen.
    """
    return optax.tree.set(state, _is_of_schedule, count=step)


def _is_of_schedule(path: Sequence[Any], _: Any) -> bool:
    return getattr(path[-1], "tuple_name", None) == optax.ScaleByScheduleState.__name__


def decays(params: Any) -> Any:
    """Mask of what weight decay applies to: kernels of convolutions and linear layers, nothing else."""
    return jax.tree_util.tree_map_with_path(lambda path, _: getattr(path[-1], "key", None) == "kernel", params)
