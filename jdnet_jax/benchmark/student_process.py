"""The process in which `student.measure` runs one model, so that its threads and memory affect no other's figures.

    python -m jdnet_jax.benchmark.student_process MODEL CPUS SECONDS

Prints one JSON object: `card`, as in `student.measure` `median`, `p90` and `peak_memory`, and `peak_flops_per_second`,
what these CPUs reach in a large matrix product of float32.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from jdnet_jax.benchmark import memory
from jdnet_jax.process import command_line

_FEWEST = 20  # runs, however long one takes

#: Imported beforehand, so that a runtime's code does not count as the model's memory.
_RUNTIMES = {".tflite": "ai_edge_litert.interpreter", ".onnx": "onnxruntime"}


def main(argv: list[str]) -> int:
    """Measures and prints, and returns the exit status."""
    path, cpus, seconds = Path(argv[1]), int(argv[2]), float(argv[3])
    if hasattr(os, "sched_setaffinity"):
        # Before anything is imported that counts the CPUs; every runner takes as many threads as it finds there.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.inference.open import open_model

    with contextlib.suppress(ImportError):  # then opening says what is missing
        importlib.import_module(_RUNTIMES.get(path.suffix, "jax"))
    before = memory.resident()
    runner = open_model(path)
    size = runner.card.image_size
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, runner.card.channels), dtype=np.uint8)
    latencies = _latencies(lambda: runner.run(image), seconds)
    after = memory.peak()
    result: dict[str, Any] = {
        "card": runner.card.to_json(),
        "median": float(np.median(latencies)),
        "p90": float(np.quantile(latencies, 0.9)),
        "peak_memory": None if before is None or after is None else after - before,
    }
    from jdnet_jax.benchmark import machine  # JAX, whose memory is not the model's

    result["peak_flops_per_second"] = machine.matrix_product_peak("float32")
    print(json.dumps(result))
    return 0


def _latencies(run: Any, seconds: float) -> list[float]:
    """Milliseconds of each run, after a warm-up of a fifth of the time."""
    until = time.perf_counter() + seconds / 5
    run()
    while time.perf_counter() < until:
        run()
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    while len(latencies) < _FEWEST or time.perf_counter() < until:
        began = time.perf_counter()
        run()
        latencies.append(1e3 * (time.perf_counter() - began))
    return latencies


if __name__ == "__main__":
    command_line.run(main)
