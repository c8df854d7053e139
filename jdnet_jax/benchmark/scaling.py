"""Predicted step time on 1 to 4,096 devices, from the bytes that the compiled step of eight devices sends.

Data parallel, the same batch on each device, gradients averaged after the backward pass and not beside it, which is
the slowest order: `step = compute + communication`.
- compute = FLOP of one device's batch, by the formula of `steps`, / (peak FLOP/s x utilisation);
- communication of n devices that share fast links, a ring: 2 (n - 1) / n x bytes / link. Each device sends and receives
  every byte twice but for its own share (Patarasuk & Yuan, J. Parallel Distrib. Comput., 2009);
- of k groups of d devices, joined by a slower network: 2 (d - 1) / d x bytes / link inside each group, and
  2 (k - 1) / k x (bytes / d) / network between them, where each device carries its share;
- efficiency = compute / step.
Latencies are left out, so large numbers of devices fare worse than this for small networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import step
from jdnet_jax.assembly import Assembly
from jdnet_jax.benchmark import made_up, steps
from jdnet_jax.benchmark.collectives import Collective, collectives
from jdnet_jax.errors import UserError
from jdnet_jax.state import TrainState

COUNTED = 8  # devices of the compiled step
COUNTS = tuple(2**i for i in range(13))  # 1 to 4,096


@dataclasses.dataclass(frozen=True)
class Device:
    """An accelerator, by its maker's figures.

    Attributes:
        flops: FLOP/s in bfloat16, dense.
        memory: bytes of its own memory.
        link: bytes a second that it sends over the fast links while it receives as many.
        group: devices that share the fast links.
        network: bytes a second that it sends beyond them.
        source: where the figures are from.
    """

    flops: float
    memory: float
    link: float
    group: int
    network: float
    source: str


#: The makers give the links' bandwidth as the sum of both directions: half of it is sent.
DEVICES: Mapping[str, Device] = {
    "v5e": Device(197e12, 16e9, 200e9, 256, 6.4e12 / 8 / 256, "https://cloud.google.com/tpu/docs/v5e"),
    "v5p": Device(459e12, 95e9, 600e9, 8960, 50e9 / 8, "https://cloud.google.com/tpu/docs/v5p"),
    "h100": Device(989e12, 80e9, 450e9, 8, 400e9 / 8, "NVIDIA H100 SXM and DGX H100 data sheets: a GPU with its NIC"),
}


def communication(size: float, count: int, device: Device) -> float:
    """Seconds that `count` devices take to average `size` bytes, by the formulas above."""
    inside, groups = min(count, device.group), max(1, count // device.group)
    ring = 2 * (inside - 1) / inside * size / device.link
    return ring + 2 * (groups - 1) / groups * (size / inside) / device.network


def predict(flops: float, size: float, device: Device, utilization: float) -> list[dict[str, float]]:
    """For each of `COUNTS`: `devices`, `seconds` of a step, `communication` as a share of it, `efficiency`."""
    compute = flops / (device.flops * utilization)
    rows = []
    for count in COUNTS:
        sent = communication(size, count, device)
        total = compute + sent
        rows.append({"devices": count, "seconds": total, "communication": sent / total, "efficiency": compute / total})
    return rows


def measure(config: ConfigDict, classes: int, name: str, utilization: float) -> dict[str, Any]:
    """Compiles the train step for eight devices and predicts.

    Args:
        config: a run's; `batch_size` is taken as that of each device.
        classes: of the networks.
        name: one of `DEVICES`.
        utilization: share of the device's peak that the step reaches on one device, in (0, 1].

    Raises:
        UserError: a mistake in the config, or not eight devices here.
    """
    if jax.device_count() != COUNTED:
        raise UserError(f"counting needs {COUNTED} devices and found {jax.device_count()}")
    each = config.batch_size
    config.batch_size = each * COUNTED
    parts = made_up.build(config, classes)
    first_state = step.place(parts.initial_state())
    found = count(parts, first_state, made_up.train_batch(config, classes))
    flops = each * steps.flops(parts.networks, trained=True)
    size = sum(one.size for one in found)
    leaves = jax.tree.leaves({group: first_state.params[group] for group in parts.optimizers})
    return {
        "networks": {network: entry.model for network, entry in parts.networks.items()},
        "batch_per_device": each,
        "flops": flops,
        "collectives": [dataclasses.asdict(one) for one in found],
        "bytes": size,
        "gradient_bytes": sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves),
        "device": {"name": name, **dataclasses.asdict(DEVICES[name])},
        "utilization": utilization,
        "predicted": predict(flops, size, DEVICES[name], utilization),
    }


def count(parts: Assembly, state: TrainState, batch: Any) -> list[Collective]:
    """The collectives of the compiled train step. How fast the program would run here does not matter."""
    quick = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    train_step: Any = step.mapped(parts.train_step(), donate_state=True)
    return collectives(train_step.lower(state, batch).compile(quick).as_text())


def table(result: dict[str, Any]) -> str:
    """The result of `measure` for a person to read."""
    device = result["device"]
    lines = [
        f"{' + '.join(result['networks'].values())}, batch {result['batch_per_device']} on each device: "
        f"{result['flops'] / 1e9:,.1f} GFLOP a step and device by formula",
        f"the compiled step of {COUNTED} devices has:",
        *(
            f"  {one['kind']} of {one['arrays']} arrays, {one['size'] / 1e6:,.3f} MB"
            for one in sorted(result["collectives"], key=lambda one: -one["size"])
        ),
        f"  {result['bytes'] / 1e6:,.1f} MB in all; the gradients alone are {result['gradient_bytes'] / 1e6:,.1f} MB",
        f"{device['name']}: {device['flops'] / 1e12:,.0f} TFLOP/s bfloat16 x utilisation {result['utilization']:g} "
        f"(assumed), {device['memory'] / 1e9:,.0f} GB of memory, "
        f"{device['link'] / 1e9:,.0f} GB/s between {device['group']} devices, "
        f"{device['network'] / 1e9:,.3g} GB/s beyond ({device['source']})",
        "  compute = GFLOP / (TFLOP/s x utilisation); ring = 2 (n - 1) / n x MB / (GB/s); step = compute + ring",
        "  beyond n = d, k groups of d: ring of d + 2 (k - 1) / k x MB / d / (GB/s beyond); no overlap, no latency",
        f"{'devices':>9}{'ms a step':>12}{'communication':>15}{'efficiency':>12}{'images/s':>14}",
    ]
    for row in result["predicted"]:
        rate = row["devices"] * result["batch_per_device"] / row["seconds"]
        lines.append(
            f"{row['devices']:>9,}{1e3 * row['seconds']:>12,.3f}{row['communication']:>15.1%}"
            f"{row['efficiency']:>12.1%}{rate:>14,.0f}"
        )
    return "\n".join(lines)
