"""Latency, size and memory of a student in the formats that it is exported to."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax import handoff
from jdnet_jax.benchmark import machine
from jdnet_jax.export import exporter, formats
from jdnet_jax.files.size_on_disk import size_on_disk
from jdnet_jax.handoff import model_card
from jdnet_jax.inference import flax_runner, safetensors_runner
from jdnet_jax.inference.open import has_weights, located
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.process import children
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say


def measure(models: Sequence[Path], threads: Sequence[int], seconds: float) -> dict[str, Any]:
    """Measures each model in separate processes, one photo at a time.

    Args:
        models: each as for `open_model`. A folder with the weights is also exported to every format that is available
            here, for the time of the measurement.
        threads: numbers of CPUs to confine a process to.
        seconds: how long each latency is measured, after a warm-up.

    Returns:
        `{"machine", "models": [{"model", "network", "format", "dtype", "image_size", "multiply_adds", "bytes",
        "peak_memory", "latency": {threads: {"median", "p90", "flops_per_second", "utilization"}}}]}`; bytes and
        milliseconds; `peak_memory`, of the first number of threads, is what the process held at most beyond what it
        held before it opened the model, None where the system does not tell; FLOP are two for each multiply-add of the
        network, whatever the number format, and `utilization` is their rate as a share of what the same CPUs reach in
        a matrix product of float32.

    Raises:
        UserError: there is no such model, or one cannot be run.
    """
    jobs = [job for path in models for job in _jobs(path)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, source, export) in enumerate(jobs, 1):
            say(f"model {number} of {len(jobs)}: {name}")
            path = source
            if export is not None:
                file_format, quantize = export
                path = Path(folder) / f"{number}{formats.FORMATS[file_format].suffix}"
                try:
                    exporter.export(exporter.Request(source, file_format, quantize, path, allow_loss=True))
                except UserError as error:
                    say(f"{name} is left out: {error}")
                    continue
            rows.append(measure_one(path, name, threads, seconds))
    return {"machine": machine.describe(), "models": rows}


def table(result: dict[str, Any]) -> str:
    """The result of `measure` as text."""
    rows = result["models"]
    width = max(len(row["model"]) for row in rows)
    counts = [*rows[0]["latency"]]
    head = "".join(f"{f'{count} CPU' + 's' * (count != '1'):>21}" for count in counts)
    lines = [f"{'':<{width}}  {'MB':>7}{'peak MB':>9}{head}   ms for a photo, median (90 %), share of the peak"]
    for row in rows:
        peak = "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 1e6:.1f}"
        timings = [row["latency"][count] for count in counts]
        cells = [f"{one['median']:.2f} ({one['p90']:.2f}) {one['utilization']:>4.0%}" for one in timings]
        latencies = "".join(f"{cell:>21}" for cell in cells)
        lines.append(f"{row['model']:<{width}}  {row['bytes'] / 1e6:>7.2f}{peak:>9}{latencies}")
    networks = {(row["network"], row["image_size"], row["multiply_adds"]) for row in rows}
    lines += [f"{name} at {size} px: {count / 1e6:,.1f} M multiply-adds" for name, size, count in sorted(networks)]
    where = result["machine"]
    lines.append(
        f"{where['processor']}, {where['cpus']} CPUs, JAX {where['jax']}; the peak is a matrix product's in float32"
    )
    return "\n".join(lines)


def _jobs(model: Path) -> Iterator[tuple[str, Path, tuple[str, str] | None]]:
    """The files to measure, a model and its exports: name, path, format and quantisation."""
    path = located(model)
    yield str(model), path, None
    if path.is_dir() and has_weights(path):
        for name, entry in formats.FORMATS.items():
            for quantize in entry.quantizations if entry.runs_here else ():
                yield name if quantize == "none" else f"{name} {quantize}", path, (name, quantize)


def measure_one(path: Path, name: str, threads: Sequence[int], seconds: float) -> dict[str, Any]:
    """The measurements of one model as it is; nothing is exported.

    Raises:
        UserError: it cannot be run.
    """
    measurements = {count: _measured(path, count, seconds) for count in threads}
    card = model_card.parse(measurements[threads[0]]["card"])
    module = flax_runner.create(dataclasses.replace(card, dtype="float32"), card.model)
    count_of_network = multiply_adds(module, card.image_size)
    return {
        "model": name,
        "network": card.model,
        "format": card.file_format,
        "dtype": card.dtype,
        "image_size": card.image_size,
        "multiply_adds": count_of_network,
        "bytes": size_on_disk(_content(path)),
        "peak_memory": measurements[threads[0]]["peak_memory"],
        "latency": {str(count): _latency(result, 2 * count_of_network) for count, result in measurements.items()},
    }


def _content(path: Path) -> Path:
    """The part of a folder that is the student: a workdir and a folder from the hub have other files beside it."""
    return path / safetensors_runner.WEIGHTS if safetensors_runner.is_pushed(path) else handoff.find(path) or path


def _latency(result: dict[str, Any], flops: int) -> dict[str, float]:
    rate = flops / (result["median"] / 1e3)
    figures = {key: result[key] for key in ("median", "p90")}
    return {**figures, "flops_per_second": rate, "utilization": rate / result["peak_flops_per_second"]}


def _measured(path: Path, cpus: int, seconds: float) -> dict[str, Any]:
    """The output of a measuring process that may use only some CPUs."""
    command = [sys.executable, "-m", "jdnet_jax.benchmark.student_process", str(path), str(cpus), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **children.ending_with_this())
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it crashed"])[-1].removeprefix("error: ")
        raise UserError(f"{path} could not be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])
