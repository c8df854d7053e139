"""Time, memory and share of the machine's peak of a config's train step or evaluation step, without its data.

FLOPs are by formula: two for each multiply-add of the networks' convolutions and matrix products
(`models.multiply_adds`), and for a network that is trained three times those of its forward pass, because the backward
pass multiplies twice, for the gradient of the input and of the weight. Loss terms, batch norm and the optimiser are
left out, and so is what `remat` computes a second time. Divided by the step's time and by what the machine reaches in a
large matrix product, they are the model FLOP utilisation (as in PaLM, Chowdhery et al., 2022, appendix B, but against a
measured peak).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
from ml_collections import ConfigDict

from jdnet_jax import networks, step, unused_memory
from jdnet_jax.benchmark import machine, made_up, memory
from jdnet_jax.errors import UserError
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.networks import Network

Kind = Literal["train_step", "eval"]

_PROFILED = 3  # steps


def measure(config: ConfigDict, kind: Kind, classes: int, seconds: float, profile: Path | None) -> dict[str, Any]:
    """Compiles and times one step.

    Args:
        config: a run's; its data are not needed.
        kind: which step.
        classes: of the networks.
        seconds: how long it is timed, after a warm-up.
        profile: the folder for a trace of three steps that TensorBoard and XProf open; None for none.

    Returns:
        see `table`; times in seconds, memory in bytes, `first_step` until the first step has run.

    Raises:
        UserError: a mistake in the config; the profiler left no trace.
    """
    began = time.perf_counter()
    parts = made_up.build(config, classes)
    first_state = step.place(parts.initial_state())
    built = time.perf_counter()
    function: Any
    if kind == "train_step":
        function, batch = step.mapped(parts.train_step(), donate_state=True), made_up.train_batch(config, classes)
        state: Any = first_state
    else:
        function, batch = step.mapped(parts.eval_step()), made_up.eval_batch(config, classes)
        state = {name: first_state.variables(name) for name in parts.networks}
    parameters = {name: networks.parameter_count(first_state.params[name]) for name in parts.networks}
    before_trace = time.perf_counter()
    lowered = function.lower(state, batch)
    traced = time.perf_counter()
    compiled = lowered.compile()
    done = time.perf_counter()
    need = compiled.memory_analysis()

    def run() -> Any:
        nonlocal state
        if kind == "eval":
            return compiled(state, batch)
        state, metrics = compiled(state, batch)
        return state, metrics

    jax.block_until_ready(run())
    first = time.perf_counter()
    unused_memory.give_back()  # as a run does
    memory.resident()
    times = machine.summary(machine.timed(run, seconds))
    held, on_device = memory.peak(), memory.device_peak()
    if profile is not None:
        _trace(run, profile)
    images = batch["label"].size * jax.process_count()
    work = images * flops(parts.networks, trained=kind == "train_step")
    peak = machine.matrix_product_peak(config.compute_dtype) * jax.device_count()
    return {
        "kind": kind,
        "networks": {name: network.model for name, network in parts.networks.items()},
        "image_size": config.image_size,
        "batch_size": images,
        "grad_accum": config.grad_accum,
        "compute_dtype": config.compute_dtype,
        "parameters": parameters,
        "machine": machine.describe(),
        "seconds": times,
        "images_per_second": images / times["median"],
        "flops": work,
        "flops_per_second": work / times["median"],
        "peak_flops_per_second": peak,
        "utilization": work / times["median"] / peak,
        "first_step": {
            "build": built - began,
            "trace": traced - before_trace,
            "compile": done - traced,
            "total": first - began,
        },
        "memory": {
            "arguments": need.argument_size_in_bytes,
            "scratch": need.temp_size_in_bytes,
            "process_peak": held,
            "device_peak": on_device,
        },
    }


def table(result: dict[str, Any]) -> str:
    """The result of `measure` for a person to read."""
    seconds, first, need, where = (result[key] for key in ("seconds", "first_step", "memory", "machine"))
    models = " + ".join(result["networks"].values())
    peaks = [("process", need["process_peak"]), ("device", need["device_peak"])]
    held = "".join(f", {name} at most {_mb(count)}" for name, count in peaks if count is not None)
    return "\n".join(
        [
            f"{result['kind']}: {models}, batch {result['batch_size']}, {result['image_size']} px, "
            f"{result['compute_dtype']}, grad_accum {result['grad_accum']}",
            f"{where['devices']} x {where['device']} ({where['processor']}, {where['cpus']} CPUs), JAX {where['jax']}",
            f"  time        {1e3 * seconds['median']:,.1f} ms (10 to 90 %: {1e3 * seconds['p10']:,.1f} to "
            f"{1e3 * seconds['p90']:,.1f}, {seconds['count']} steps), {result['images_per_second']:,.1f} images/s",
            f"  work        {result['flops'] / 1e9:,.1f} GFLOP by formula, {result['flops_per_second'] / 1e9:,.1f} "
            f"GFLOP/s: {result['utilization']:.0%} of the {result['peak_flops_per_second'] / 1e9:,.0f} GFLOP/s "
            "measured in a matrix product",
            f"  first step  after {first['total']:.1f} s: building {first['build']:.1f}, tracing {first['trace']:.1f}, "
            f"compiling or loading the compiled step {first['compile']:.1f}",
            f"  memory      state and batch {_mb(need['arguments'])}, scratch {_mb(need['scratch'])}{held}",
        ]
    )


def flops(nets: Mapping[str, Network], *, trained: bool) -> int:
    """FLOP for one image by the formula above, in a train step or an evaluation step."""
    return sum(
        2 * multiply_adds(network.module, network.image_size) * (3 if trained and network.trainable else 1)
        for network in nets.values()
    )


def _trace(run: Any, folder: Path) -> None:
    with jax.profiler.trace(str(folder)):
        for _ in range(_PROFILED):
            jax.block_until_ready(run())
    if not any(folder.rglob("*.xplane.pb")):
        raise UserError(
            f"the profiler left no trace in {folder}: is the folder writable, and JAX's profiler installed?"
        )


def _mb(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
