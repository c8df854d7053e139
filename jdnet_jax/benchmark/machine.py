"""The machine on which a step is timed, and summaries of timings."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.inference.cpus import available

# Side of the product's matrices, and how many products follow each other before the clock is read. A product of 2048
# takes a CPU a tenth of a second and an accelerator less than it takes to start one.
_ON_CPU, _ON_ACCELERATOR = (2048, 1), (8192, 10)
_TIMES = 5
_WARM_UP = 2  # runs
_FEWEST = 3  # timed runs, however long one takes


def describe() -> dict[str, Any]:
    """The processor, the devices and JAX's version."""
    return {
        "processor": _processor(),
        "cpus": available(),
        "platform": jax.default_backend(),
        "devices": jax.device_count(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def matrix_product_peak(dtype: str) -> float:
    """Peak FLOP/s of all devices of this process together, measured as the best of a few large matrix products.

    2 FLOP for a multiply-add. Measured on one device and multiplied, except for CPU devices, which share one machine.
    """
    cpu = jax.default_backend() == "cpu"
    side, in_a_row = _ON_CPU if cpu else _ON_ACCELERATOR
    x, mean = jnp.full((side, side), 0.5, dtype), jnp.full((side, side), 1 / side, dtype)
    product = jax.jit(lambda a, b: a @ b)

    def products() -> Any:
        y = x
        for _ in range(in_a_row):  # each waits for the one before, on the device
            y = product(y, mean)
        return y

    jax.block_until_ready(products())
    one = 2 * side**3 * in_a_row / min(_seconds(products) for _ in range(_TIMES))
    return one if cpu else one * jax.local_device_count()


def process_age() -> float | None:
    """Seconds since this process began; None where the system does not report it (not Linux)."""
    try:
        # Field 22 of proc(5), the second being a name in brackets: clock ticks from the system's start.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return None
    return up - ticks / os.sysconf("SC_CLK_TCK")


def timed(run: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds of each run, its result waited for, after a warm-up of two runs."""
    for _ in range(_WARM_UP):
        jax.block_until_ready(run())
    seconds_each: list[float] = []
    until = time.perf_counter() + seconds
    while len(seconds_each) < _FEWEST or time.perf_counter() < until:
        seconds_each.append(_seconds(run))
    return seconds_each


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 10 % and 90 % quantiles, and count."""
    low, median, high = (float(value) for value in np.quantile(seconds, (0.1, 0.5, 0.9)))
    return {"median": median, "p10": low, "p90": high, "count": len(seconds)}


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def _processor() -> str:
    try:
        match = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()
