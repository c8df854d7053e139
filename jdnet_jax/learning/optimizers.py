"""Learning-rate schedules and optimisers, one for each network or parameter group, built with optax."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PyTree


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


def build(
    optimizer: Mapping[str, Any], schedule: Mapping[str, Any], steps: int
) -> optax.GradientTransformationExtraArgs:
    """The optimiser of a group: clipping by norm, weight decay of kernels, SGD or AdamW (Loshchilov & Hutter, 2019).

    SGD's decay is added to the gradient (coupled); AdamW's is decoupled and scaled by the learning rate.
    """
    return optax.with_extra_args_support(optax.chain(*_clipping(optimizer), *_descent(optimizer, schedule, steps)))


def build_apart(
    body: Mapping[str, Mapping[str, Any]],
    head: Mapping[str, Mapping[str, Any]],
    head_paths: Collection[tuple[str, ...]],
    steps: int,
) -> optax.GradientTransformationExtraArgs:
    """The optimiser of a network whose head has other settings; the clipped norm is that of all parameters.

    Args:
        body: `optimizer` and `schedule`, as `build` takes them, of all parameters but the head's.
        head: `optimizer` and `schedule` of the head's.
        head_paths: paths of the head's parameters in the tree.
        steps: length of the run.
    """
    parts = {
        name: optax.chain(*_descent(**settings, steps=steps)) for name, settings in (("body", body), ("head", head))
    }

    def split(tree: PyTree) -> dict[str, PyTree]:
        flat = flax.traverse_util.flatten_dict(tree, keep_empty_nodes=True)
        halves: dict[str, dict[tuple[str, ...], Any]] = {"body": {}, "head": {}}
        for path, leaf in flat.items():
            halves["head" if path in head_paths else "body"][path] = leaf
        return {name: flax.traverse_util.unflatten_dict(half) for name, half in halves.items()}

    def joined(halves: Mapping[str, PyTree]) -> PyTree:
        flat = (flax.traverse_util.flatten_dict(half, keep_empty_nodes=True) for half in halves.values())
        return flax.traverse_util.unflatten_dict(dict(item for half in flat for item in half.items()))

    def init(params: PyTree) -> PyTree:
        halves = split(params)
        return {name: tx.init(halves[name]) for name, tx in parts.items()}

    def update(updates: PyTree, state: PyTree, params: PyTree = None) -> tuple[PyTree, PyTree]:
        gradients, values = split(updates), split(params)
        moved = {name: tx.update(gradients[name], state[name], values[name]) for name, tx in parts.items()}
        return joined({name: new for name, (new, _) in moved.items()}), {name: new for name, (_, new) in moved.items()}

    apart = optax.GradientTransformation(init, update)
    return optax.with_extra_args_support(optax.chain(*_clipping(body["optimizer"]), apart))


def _clipping(optimizer: Mapping[str, Any]) -> list[optax.GradientTransformation]:
    return [optax.clip_by_global_norm(optimizer["clip_norm"])] if optimizer["clip_norm"] else []


def _descent(
    optimizer: Mapping[str, Any], schedule: Mapping[str, Any], steps: int
) -> list[optax.GradientTransformation]:
    rate = learning_rate(schedule, steps)
    decay = optimizer["weight_decay"]
    parts = []
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
    return parts


def in_turns(
    tx: optax.GradientTransformationExtraArgs, is_turn: Callable[[Int[Array, ""]], Bool[Array, ""]]
) -> optax.GradientTransformationExtraArgs:
    """An optimiser that acts in some steps only; in the others parameters, momentum and moments stand still.

    Args:
        tx: the optimiser.
        is_turn: whether it acts in a step of the run, which `update` gets as `step`.
    """

    def update(updates, state, params=None, *, step, **extra):
        turn = is_turn(step)
        taken, moved = tx.update(updates, state, params, step=step, **extra)
        updates = jax.tree.map(lambda new: jnp.where(turn, new, jnp.zeros_like(new)), taken)
        return updates, jax.tree.map(lambda new, old: jnp.where(turn, new, old), moved, state)

    return optax.GradientTransformationExtraArgs(tx.init, update)


def at_step(state: PyTree, step: Int[Array, ""]) -> PyTree:
    """The optimiser's state with its schedule at another step of the run; all else stays as it is.

    Optax counts the updates that were taken. The schedule must follow the run instead, so that both end together even
    if an update was left out; Adam's count goes on with the updates that its moments have seen.
    """
    return optax.tree.set(state, _is_of_schedule, count=step)


def _is_of_schedule(path: Sequence[Any], _: Any) -> bool:
    return getattr(path[-1], "tuple_name", None) == optax.ScaleByScheduleState.__name__


def decays(params: Any) -> Any:
    """The mask for weight decay: True for kernels of convolutions and linear layers, False for all else."""
    return jax.tree_util.tree_map_with_path(lambda path, _: getattr(path[-1], "key", None) == "kernel", params)
