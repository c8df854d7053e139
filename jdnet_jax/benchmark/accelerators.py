"""Accelerators that a step can be compiled for without having one: their shapes and data sheets.

Rates are their makers' (dense, bfloat16): https://cloud.google.com/tpu/docs/v5e, v5p and v6e; NVIDIA's data sheets of
A100 (SXM, 80 GB), H100 (SXM) and H200. What XLA's compiler for GPUs asks of a card beyond that are its attributes, as
the CUDA driver tells them (CUDA C++ Programming Guide, compute capabilities 8.0 and 9.0).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from jdnet_jax.process.errors import UserError, unknown


@dataclasses.dataclass(frozen=True)
class Chip:
    """One kind of TPU chip or GPU.

    Attributes:
        flops: FLOP/s in bfloat16.
        bandwidth: bytes a second of its memory.
        memory: bytes.
        sides: dimensions of a TPU's torus, 2 or 3; 0 for a GPU.
        cores: number of a GPU's multiprocessors.
        capability: major number of a GPU's compute capability.
    """

    flops: float
    bandwidth: float
    memory: float
    sides: int = 0
    cores: int = 0
    capability: int = 0


CHIPS: Mapping[str, Chip] = {
    "v5e": Chip(197e12, 819e9, 16e9, sides=2),
    "v5p": Chip(459e12, 2765e9, 95e9, sides=3),
    "v6e": Chip(918e12, 1640e9, 32e9, sides=2),
    "a100": Chip(312e12, 2039e9, 80e9, cores=108, capability=8),
    "h100": Chip(989e12, 3350e9, 80e9, cores=132, capability=9),
    "h200": Chip(989e12, 4800e9, 141e9, cores=132, capability=9),
}

#: What a process needs before it loads the TPU's compiler without a TPU.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_TRACEBACK_FILTERING": "off",  # the last line of what it says is the error
}


@dataclasses.dataclass(frozen=True)
class Device:
    """A device to compile for: a number of chips of one kind.

    Attributes:
        name: its maker's name, such as `v5e-8`.
        chip: the kind of its chips.
        count: number of chips. (The number in `v5p-8` counts cores, two a chip.)
    """

    name: str
    chip: Chip
    count: int

    def topology(self) -> dict[str, Any]:
        """The arguments of `jax.experimental.topologies.get_topology_desc`."""
        kind = self.name.partition("-")[0]
        if not self.chip.sides:
            hosts, each = (1, self.count) if self.count <= 8 else (self.count // 8, 8)
            return {
                "platform": "cuda",
                "topology_name": "",
                "topology": f"1x{hosts}x{each}",
                "target_config": _card(kind, self.chip),
            }
        sides = "x".join(map(str, _torus(self.count, self.chip.sides)))
        host = {"chips_per_host_bounds": (1, 1, 1)} if self.count == 1 else {}
        return {"platform": "tpu", "topology_name": f"{kind}:{sides}", **host}


def parse(name: str) -> Device:
    """The device of a name such as `v5e-8`, `v5p-8` or `h100-8`.

    Raises:
        UserError: there is no such device.
    """
    kind, _, number = name.partition("-")
    if kind not in CHIPS:
        raise UserError(f"--device: {unknown('device', kind, CHIPS)}, with a number of chips: v5e-8, h100-1")
    chip = CHIPS[kind]
    size = int(number) if re.fullmatch(r"[1-9]\d{0,3}", number) else 0
    count = size // 2 if kind == "v5p" else size  # cores, two a chip
    whole = bool(count) and (count & (count - 1) == 0) and (kind != "v5p" or size % 2 == 0)
    if not whole or (chip.sides and count == 2):
        raise UserError(
            f"--device={name}: the number of chips after {kind}- must be a power of two that is sold, such as 8"
        )
    return Device(name, chip, count)


def _torus(count: int, sides: int) -> list[int]:
    """The most even sides whose product is the number of chips, the longest last."""
    bits = int(math.log2(count))
    lengths = [2 ** (bits // sides + (i >= sides - bits % sides)) for i in range(sides)]
    return lengths if sides == 2 else sorted(lengths, reverse=count == 4)


def _card(kind: str, chip: Chip) -> str:
    """XLA's description of a card, a text of its `GpuTargetConfigProto`."""
    hopper = chip.capability == 9
    info = {
        "threads_per_block_limit": 1024,
        "threads_per_warp": 32,
        "shared_memory_per_block": 48 << 10,
        "shared_memory_per_core": (228 if hopper else 164) << 10,
        "shared_memory_per_block_optin": (227 if hopper else 163) << 10,
        "threads_per_core_limit": 2048,
        "core_count": chip.cores,
        "fpus_per_core": 128 if hopper else 64,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 2**16 - 1,
        "block_dim_limit_z": 2**16 - 1,
        "thread_dim_limit_x": 1024,
        "thread_dim_limit_y": 1024,
        "thread_dim_limit_z": 64,
        "registers_per_core_limit": 2**16,
        "registers_per_block_limit": 2**16,
        "memory_bandwidth": int(chip.bandwidth),
        "device_memory_size": int(chip.memory),
        "l2_cache_size": (50 if hopper else 40) << 20,
        "clock_rate_ghz": 1.98 if hopper else 1.41,
    }
    fields = " ".join(f"{name}: {value}" for name, value in info.items())
    return (
        f"gpu_device_info {{ {fields} cuda_compute_capability {{ major: {chip.capability} }} }} "
        'platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 patch: 0 } '
        f'device_description_str: "NVIDIA {kind.upper()}"'
    )
