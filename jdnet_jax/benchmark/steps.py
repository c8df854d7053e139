"""Time, memory and share of the machine's peak of a config's train step or evaluation step, without its data.

FLOPs are by formula: two for each multiply-add of the networks' convolutions and matrix products
(`models.multiply_adds`), and for a network that is trained three times those of its forward pass, because the backward
pass multiplies twice, for the gradient of the input and of the weight. Where a step draws one of its frozen teachers
(`teacher_selection="random"`), it has the mean of theirs. Loss terms, batch norm and the optimiser are
left out, and so is what `remat` computes a second time. Divided by the step's time and by what the machine reaches in a
large matrix product, they are the model FLOP utilisation (as in PaLM, Chowdhery et al., 2022, appendix B, but against a
measured peak).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import jax
from ml_collections import ConfigDict

from jdnet_jax.benchmark import machine, made_up, memory
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.learning import devices, networks
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.process import unused_memory
from jdnet_jax.process.errors import UserError

Kind = Literal["train_step", "eval"]

_PROFILED = 3  # steps


def measure(config: ConfigDict, kind: Kind, classes: int, seconds: float, profile: Path | None) -> dict[str, Any]:
    """Compiles and times one step.

    Args:
        config: a run's; its data are not needed.
        kind: which step.
        classes: number of classes.
        seconds: how long it is timed, after a warm-up.
        profile: the folder for a trace of three steps that TensorBoard and XProf open; None for none.

    Returns:
        see `table`; times in seconds, memory in bytes. `first_step`: what the first step waited for, from the start of
        the process on (of this function where the system does not tell), parts that add up to `total`.

    Raises:
        UserError: a mistake in the config; the profiler's folder cannot be written, or it left no trace.
    """
    if profile is not None:
        _check_writable(profile)
    age = machine.process_age() or 0.0
    began = time.perf_counter()
    config = made_up.begun_at_random(config)
    parts = made_up.build(config, classes)
    first_state = devices.place(parts.initial_state())
    function: Any
    if kind == "train_step":
        function = devices.mapped(parts.train_step(), donate_state=True)
        batch = made_up.train_batch(config, classes)
        state: Any = first_state
    else:
        function = devices.mapped(parts.eval_step())
        batch = made_up.eval_batch(config, classes)
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
    images = batch["label"].size
    work = images * flops(parts, trained=kind == "train_step")
    peak = machine.matrix_product_peak(config.compute_dtype)
    return {
        "kind": kind,
        "networks": {name: network.model for name, network in parts.networks.items()},
        "image_size": config.image_size if kind == "train_step" else eval_image_size(config),
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
            "start": age,
            "build": before_trace - began,
            "trace": traced - before_trace,
            "compile": done - traced,
            "run": first - done,
            "total": age + first - began,
        },
        "memory": {
            "arguments": need.argument_size_in_bytes,
            "scratch": need.temp_size_in_bytes,
            "process_peak": held,
            "device_peak": on_device,
        },
    }


def table(result: dict[str, Any]) -> str:
    """The result of `measure` as text."""
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
            f"  first step  after {first['total']:.1f} s: starting Python and the libraries {first['start']:.1f}, "
            f"building {first['build']:.1f}, tracing {first['trace']:.1f}, compiling or loading the compiled step "
            f"{first['compile']:.1f}, running it {first['run']:.1f}",
            f"  memory      state and batch {_mb(need['arguments'])}, scratch {_mb(need['scratch'])}{held}",
        ]
    )


def flops(parts: Assembly, *, trained: bool) -> int:
    """FLOP for one image by the formula above, in a train step or an evaluation step."""
    networks = parts.networks if trained else parts.evaluated
    forward = {name: 2 * multiply_adds(one.module, one.image_size) for name, one in networks.items()}
    if not trained:
        return sum(forward.values())
    frozen = [count for name, count in forward.items() if not parts.networks[name].trainable]
    computed = sum(frozen)
    if parts.config.teacher_selection == "random" and frozen:
        computed //= len(frozen)
    return 3 * (sum(forward.values()) - sum(frozen)) + computed


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"--profile={folder} cannot be written: {error.strerror}") from error


def _trace(run: Any, folder: Path) -> None:
    before = set(folder.rglob("*.xplane.pb"))
    with jax.profiler.trace(str(folder)):
        for _ in range(_PROFILED):
            jax.block_until_ready(run())
    if not set(folder.rglob("*.xplane.pb")) - before:
        raise UserError(
            f"the profiler wrote no trace to {folder}: check that the folder is writable and that JAX's profiler is "
            "installed"
        )


def _mb(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
