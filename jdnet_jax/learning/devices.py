"""Devices: mapping a step over them, and placing its arguments on them.

Only this module knows the number of devices. The step itself sums over the devices' axis, `DATA_AXIS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int, PyTree, Shaped

from jdnet_jax.models import lowering

DATA_AXIS = "data"  # the mapped axis, along which a batch is cut

Batch = Mapping[str, Array]


@runtime_checkable
class Mapped(Protocol):
    """The type of a step that is mapped over all devices."""

    def __call__(self, *args: Any) -> Any:
        """Takes the step."""

    def lower(self, *args: Any) -> jax.stages.Lowered:
        """Lowers the step for such arguments."""


def mapped(
    step: Callable[..., Any], *, donate_state: bool = False, devices: Sequence[jax.Device] | None = None
) -> Mapped:
    """Compiles a step and maps it over devices: first argument whole, second split along its first axis.

    Args:
        step: the step of one device.
        donate_state: whether the result may take the first argument's memory.
        devices: None for all of this run; else the devices that the step is compiled for, which need not be present.
    """
    devices = in_order() if devices is None else devices
    platform = devices[0].platform

    @functools.wraps(step)
    def for_these(*args: Any) -> Any:
        with lowering.for_platform(platform):
            return step(*args)

    donated = (0,) if donate_state else ()
    return jax.pmap(
        for_these, axis_name=DATA_AXIS, in_axes=(None, 0), out_axes=None, donate_argnums=donated, devices=devices
    )


def in_order() -> list[jax.Device]:
    """All devices in the order of the mapped axis: those of a process follow each other, as in `jax.local_devices`.

    `jax.devices` has those of a TPU pod in the order of the links between them, which mixes the processes.
    """
    return [device for process in range(jax.process_count()) for device in jax.local_devices(process)]


def averaged(tree: PyTree) -> PyTree:
    """The mean over all devices, inside a mapped step. For one device XLA would copy every value."""
    return lax.pmean(tree, DATA_AXIS) if lax.axis_size(DATA_AXIS) > 1 else tree


def anywhere(value: bool) -> Bool[Array, ""]:
    """Whether the value is true on any process, the same answer on all; computed on the devices without waiting."""
    here = split({"value": np.full(jax.local_device_count(), value)})["value"]
    return _any_device(here)


def agreed(value: bool) -> bool:
    """Whether the value is true on any process, the same answer on all."""
    return value if jax.process_count() == 1 else bool(anywhere(value))


def shardings(devices: Sequence[jax.Device] | None = None) -> tuple[NamedSharding, NamedSharding]:
    """The shardings of a mapped step's arguments on devices (None: all): the first replicated, the second split."""
    mesh = Mesh(np.asarray(in_order() if devices is None else devices), (DATA_AXIS,))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def place(tree: PyTree) -> PyTree:
    """Replicates a state on every device, as the mapped steps take it."""
    return jax.device_put(tree, shardings()[0])


def whole(tree: PyTree) -> PyTree:
    """The result of a mapped step as global arrays over all processes, for checkpoints of several processes.

    The mapped steps give each process arrays on its local devices, with the same values on all; nothing is copied.
    """
    if jax.process_count() == 1:
        return tree
    sharding, _ = shardings()

    def joined(leaf: Array) -> Array:
        if not leaf.is_fully_addressable:
            return leaf
        parts = {shard.device: shard.data for shard in leaf.addressable_shards}
        return jax.make_array_from_single_device_arrays(leaf.shape, sharding, [parts[d] for d in jax.local_devices()])

    return jax.tree.map(joined, tree)


def rows(batch_size: int, grad_accum: int = 1) -> Int[np.ndarray, " local"]:
    """Positions in the global batch of the examples that this process's devices take, in the order of `split`.

    Micro-batch m holds positions [m * batch_size / grad_accum, ...), and is itself cut evenly over all devices.
    """
    positions = np.arange(batch_size).reshape(grad_accum, jax.device_count(), -1)
    mine = [i for i, device in enumerate(in_order()) if device.process_index == jax.process_index()]
    return positions[:, mine].transpose(1, 0, 2).reshape(-1)


def split(batch: Mapping[str, Shaped[np.ndarray, "local ..."]], grad_accum: int | None = None) -> Batch:
    """Cuts this process's examples over its devices and starts their transfer.

    Args:
        batch: arrays whose first axis is in the order of `rows`.
        grad_accum: adds the axis of micro-batches that the train step takes; None for the evaluation step.

    Returns:
        arrays [devices, grad_accum, batch, ...], or [devices, batch, ...].
    """
    devices = jax.local_devices()
    lead = (len(devices), -1) if grad_accum is None else (len(devices), grad_accum, -1)
    _, sharding = shardings(devices)
    return {
        name: jax.device_put(array.reshape(*_filled(lead, array.shape[0]), *array.shape[1:]), sharding)
        for name, array in batch.items()
    }


_any_device = jax.pmap(lambda value: lax.pmax(value.any(), DATA_AXIS), axis_name=DATA_AXIS, out_axes=None)


def _filled(lead: tuple[int, ...], size: int) -> tuple[int, ...]:
    return (*lead[:-1], size // int(np.prod(lead[:-1])))
