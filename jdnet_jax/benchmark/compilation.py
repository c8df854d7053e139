"""Costs of a config's steps on an accelerator that is not there, as XLA's compiler for it reports them.

Memory, FLOPs and bytes are the compiler's, of one chip's share; the roofline divides them by the data sheet's rates;
the larger of both times is the least that a step can take. Nothing is run, and latencies are not known. Figures
of two programs are comparable if both were compiled at one level (`JAX_OPTIMIZATION_LEVEL`; `O0` compiles fastest).
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.benchmark.accelerators import Device
from jdnet_jax.process.errors import UserError

STEPS = ("train_step", "eval")


def measure(config: ConfigDict, device: Device, classes: int, which: Sequence[str] = STEPS) -> dict[str, Any]:
    """Compiles steps, each in a separate process.

    Args:
        config: a run's; its batch is cut over all chips, as in a run.
        device: the device to compile for.
        classes: number of classes.
        which: some of `STEPS`.

    Returns:
        `device`, its `chips` and `compute_dtype`; `steps`: for each of them the result of `compile_process`, with
        `fits` and `roofline` (seconds of `arithmetic` and `bandwidth`, and which is the `bound`); of a step that does
        not compile `compiles` False and `why`.

    Raises:
        UserError: a mistake in the config, or the compiler is not installed.
    """
    check_installed(device)
    results = {}
    for step in which:
        results[step] = result = _compile(config, device, classes, step)
        if result["compiles"]:
            times = {
                "arithmetic": (result["flops"] or result["formula_flops"]) / device.chip.flops,
                "bandwidth": result["bytes"] / device.chip.bandwidth,
            }
            result["fits"] = result["memory"]["total"] <= device.chip.memory
            result["roofline"] = {**times, "bound": max(times, key=lambda name: times[name])}
    return {"device": device.name, "chips": device.count, "compute_dtype": config.compute_dtype, "steps": results}


def check_installed(device: Device) -> None:
    """Checks that the device's compiler is installed.

    Raises:
        UserError: it is not.
    """
    package = "libtpu" if device.chip.sides else "jax_cuda13_plugin"
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"--device={device.name}: its compiler ({package}) is not installed: pip install -e '.[aot]' in the "
            "project's folder, into a separate environment, because JAX looks for a TPU wherever that compiler is"
        )


def _compile(config: ConfigDict, device: Device, classes: int, step: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "jdnet_jax.benchmark.compile_process", step, device.name, str(classes)]
    done = subprocess.run(command, input=pickle.dumps(config), capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode > 0:
        last = said.strip().rpartition("\n")[2]
        if last.startswith("error: "):
            raise UserError(last.removeprefix("error: "))
        return {"compiles": False, "why": last}
    return {"compiles": False, "why": _fatal(said, -done.returncode)}


def _fatal(said: str, number: int) -> str:
    """Why XLA ended the process: the line that it logs as fatal, `F0101 12:00:00.0 1 file.cc:1] words`."""
    fatal = re.findall(r"^F\d{4} \S+\s+\d+ (.*)$", said, re.MULTILINE)
    name = signal.Signals(number).name
    return f"XLA's compiler ended with {name}: {fatal[0].strip() if fatal else 'it did not say why'}"


def table(result: dict[str, Any]) -> str:
    """The result of `measure` as text."""
    lines = [f"compiled for {result['device']} ({result['chips']} chips), computing in {result['compute_dtype']}"]
    for name, step in result["steps"].items():
        if not step["compiles"]:
            lines.append(f"{name}: does not compile: {step['why']}")
            continue
        need, times, sent = step["memory"], step["roofline"], step["collectives"]
        by = "" if step["bytes_by"] == "compiler" else ", by the inputs of its kernels"
        least = max(times["arithmetic"], times["bandwidth"])
        told = f"{step['flops'] / 1e9:,.1f} GFLOP, " if step["flops"] else ""  # not by the compiler for GPUs
        fits = "fits" if step["fits"] else "does not fit"
        lines += [
            f"{name}: compiles, in {step['seconds']:.0f} s; {step['images']} images a chip",
            f"  memory      arguments {_mb(need['arguments'])}, temporaries {_mb(need['temporaries'])}, in all "
            f"{_mb(need['total'])}: {fits}; about {step['largest_batch']:,} images a chip would",
            f"  work        {told}{step['formula_flops'] / 1e9:,.1f} GFLOP by formula; {_mb(step['bytes'])} moved{by}",
            f"  roofline    {1e3 * times['arithmetic']:,.2f} ms of arithmetic, {1e3 * times['bandwidth']:,.2f} ms of "
            f"memory: bound by {times['bound']}, at most {step['images'] / least:,.0f} images/s a chip",
            f"  sent        {len(sent)} collectives, {_mb(sum(one['size'] for one in sent))} of "
            f"{sum(one['arrays'] for one in sent)} arrays",
            f"  copies      {len(step['copies'])} of more than 1 MB, {_mb(sum(step['copies']))}",
            f"  not reused  {len(step['unaliased'])} buffers of the state",
        ]
        if step["padding"] is not None:
            lines.append(f"  lanes       {step['padding']:.1%} of what is written is padding")
        if step["float32_products"] is not None:
            lines.append(f"  float32     {step['float32_products']} products where bfloat16 was asked")
        lines.append("  heaviest    " + "\n              ".join(_heavy(one) for one in step["heaviest"]))
    return "\n".join(lines)


def _heavy(one: dict[str, Any]) -> str:
    return f"{_mb(one['bytes']):>10} {one['name']}: {one['source'].removeprefix('jit(_fun)/shard_map/')}"


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
