"""Predicted step time on 1 to 4,096 devices, from the bytes that the compiled step of eight devices sends.

Data parallel, the same batch on each device, gradients averaged after the backward pass and not beside it, which is
the slowest order: `step = compute + communication`.
- compute = FLOP of one device's batch, by the formula of `steps`, / (peak FLOP/s x utilisation);
- communication of n devices that share fast links, a ring: 2 (n - 1) / n x bytes / link. Each device sends and receives
  every byte twice but for its own share (Patarasuk & Yuan, J. Parallel Distrib. Comput., 2009);
- of k groups of d devices, joined by a slower network: 2 (d - 1) / d x bytes / link inside each group, and
  2 (k - 1) / k x (bytes / d) / network between them, where each device carries its share;
- efficiency = compute / step.
Latencies are left out, so large numbers of devices fare worse than this for small networks. The links' rates are those
of a full group; part of a TPU's torus has fewer of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax.benchmark import made_up, steps
from jdnet_jax.benchmark.collectives import collectives
from jdnet_jax.learning import devices
from jdnet_jax.process.errors import UserError, unknown

COUNTED = 8  # devices of the compiled step
_FIGURES = "flops=312e12,link=300e9,group=8,network=25e9 (FLOP/s, bytes/s, devices, bytes/s)"
COUNTS = tuple(2**i for i in range(13))  # 1 to 4,096


@dataclasses.dataclass(frozen=True)
class Device:
    """An accelerator.

    Attributes:
        flops: FLOP/s, dense; in bfloat16 for those of `DEVICES`.
        link: bytes a second that it sends over the fast links while it receives as many.
        group: devices that share the fast links.
        network: bytes a second that it sends beyond them.
        source: where the figures are from.
    """

    flops: float
    link: float
    group: int
    network: float
    source: str


#: By their makers' figures, who give the links' bandwidth as the sum of both directions: half of it is sent.
DEVICES: Mapping[str, Device] = {
    "v5e": Device(197e12, 200e9, 256, 6.4e12 / 8 / 256, "https://cloud.google.com/tpu/docs/v5e"),
    "v5p": Device(459e12, 600e9, 8960, 50e9 / 8, "https://cloud.google.com/tpu/docs/v5p"),
    "h100": Device(989e12, 450e9, 8, 400e9 / 8, "NVIDIA H100 SXM and DGX H100 data sheets: a GPU with its NIC"),
}


def parse_device(text: str) -> Device:
    """The device of a name, or of its figures: `flops=312e12,link=300e9,group=8,network=25e9`.

    Raises:
        UserError: there is no device of that name, or a figure is missing, unknown or not above 0.
    """
    if "=" not in text:
        if text not in DEVICES:
            raise UserError(f"--device: {unknown('device', text, DEVICES)}, or give {_FIGURES}")
        return DEVICES[text]
    given = dict(part.partition("=")[::2] for part in text.split(","))
    try:
        figures = {name: float(value) for name, value in given.items()}
        if not all(0 < value < math.inf for value in figures.values()):
            raise ValueError
        return Device(group=int(figures.pop("group")), **figures, source="given")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"--device={text}: give all four figures, each above 0, as in {_FIGURES}") from error


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
        name: of the device, or its figures, as `parse_device` takes them.
        utilization: share of the device's peak that the step reaches on one device, in (0, 1].

    Raises:
        UserError: a mistake in the config or the device's name, or not eight devices here.
    """
    accelerator = parse_device(name)
    if jax.device_count() != COUNTED:
        raise UserError(f"counting needs {COUNTED} devices and found {jax.device_count()}")
    each = config.batch_size
    config.batch_size = each * COUNTED
    parts = made_up.build(config, classes)
    state = jax.eval_shape(parts.initial_state)
    # Compiled, never run: nothing is allocated, and how fast the program would be does not matter.
    train_step: Any = devices.mapped(parts.train_step(), donate_state=True)
    lowered = train_step.lower(state, made_up.train_batch_shapes(config, classes))
    found = collectives(lowered.compile({"xla_backend_optimization_level": 0}).as_text())
    flops = each * steps.flops(parts, trained=True)
    size = sum(one.size for one in found)
    leaves = jax.tree.leaves({group: state.params[group] for group in parts.optimizers})
    return {
        "networks": {network: entry.model for network, entry in parts.networks.items()},
        "batch_per_device": each,
        "compute_dtype": config.compute_dtype,
        "flops": flops,
        "collectives": [dataclasses.asdict(one) for one in found],
        "bytes": size,
        "gradient_bytes": sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves),
        "device": {"name": name, **dataclasses.asdict(accelerator)},
        "utilization": utilization,
        "predicted": predict(flops, size, accelerator, utilization),
    }


def _dtype(result: dict[str, Any]) -> str:
    if result["device"]["name"] not in DEVICES or result["compute_dtype"] == "bfloat16":
        return " bfloat16" if result["device"]["name"] in DEVICES else ""
    return f" bfloat16 (but the config computes in {result['compute_dtype']}, which takes longer)"


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
        f"{device['name']}: {device['flops'] / 1e12:,.0f} TFLOP/s{_dtype(result)} x utilisation "
        f"{result['utilization']:g} (assumed), {device['link'] / 1e9:,.0f} GB/s between {device['group']} devices, "
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
