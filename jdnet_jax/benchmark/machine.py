"""What a step is timed on, and how timings are summed up."""

from __future__ import annotations

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

_SIDE = 2048  # of the product's matrices
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
    """FLOP/s of the best of a few products of two 2048 x 2048 matrices on one device; 2 FLOP for a multiply-add."""
    x = jnp.full((_SIDE, _SIDE), 0.5, dtype)
    product = jax.jit(lambda a, b: a @ b)
    jax.block_until_ready(product(x, x))
    return 2 * _SIDE**3 / min(_seconds(lambda: product(x, x)) for _ in range(_TIMES))


def timed(run: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds of each run, its result waited for, after a warm-up of two runs."""
    for _ in range(_WARM_UP):
        jax.block_until_ready(run())
    found: list[float] = []
    until = time.perf_counter() + seconds
    while len(found) < _FEWEST or time.perf_counter() < until:
        found.append(_seconds(run))
    return found


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
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
