"""The process in which `compilation.measure` compiles one step, so that an abort of XLA's compiler ends it alone.

    python -m jdnet_jax.benchmark.compile_process STEP DEVICE CLASSES < CONFIG

STEP is `train_step` or `eval`, CONFIG a pickled config. Prints one JSON object, see `compilation.measure`.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import time
from typing import Any

from jdnet_jax.benchmark import accelerators
from jdnet_jax.process import command_line

_LARGE = 10**6  # bytes of a copy that is worth a line
_HEAVIEST = 10
# `stablehlo.convolution(...) ... : (tensor<...xf32>, tensor<...xf32>) -> ...`; likewise dot_general.
_PRODUCT = re.compile(r"stablehlo\.(?:convolution|dot_general)\b(.*) : \((tensor<\S+>), (tensor<\S+>)\) ->")


def main(argv: list[str]) -> int:
    """Compiles and prints, and returns the exit status."""
    kind, device, classes = argv[1], accelerators.parse(argv[2]), int(argv[3])
    config = pickle.load(sys.stdin.buffer)
    os.environ.update(accelerators.ENVIRONMENT)
    command_line.log_warnings_only()

    import jax
    from jax.experimental import topologies

    from jdnet_jax.benchmark import made_up, steps
    from jdnet_jax.benchmark.collectives import collectives
    from jdnet_jax.benchmark.program import read
    from jdnet_jax.learning import devices

    parts = made_up.build(config, classes)
    state: Any = jax.eval_shape(parts.initial_state)
    trained = kind == "train_step"
    if trained:
        function, batch = parts.train_step(), made_up.train_batch_shapes(config, classes, device.count)
    else:
        function, batch = parts.eval_step(), made_up.eval_batch_shapes(config, classes, device.count)
        state = {name: state.variables(name) for name in parts.networks}
    there = topologies.get_topology_desc(**device.topology()).devices
    lowered: Any = devices.mapped(function, donate_state=trained, devices=there).lower(state, batch)
    text, images = lowered.as_text(), batch["label"].size // device.count
    result = {
        "images": images,
        "formula_flops": images * steps.flops(parts, trained=trained),
        "float32_products": float32_products(text) if config.compute_dtype == "bfloat16" else None,
        "barriers": text.count("stablehlo.optimization_barrier"),
        "scans": text.count("stablehlo.while"),
    }
    began = time.perf_counter()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        print(json.dumps({**result, "compiles": False, "why": " ".join(str(error).split())[:300]}))
        return 0
    need, program = compiled.memory_analysis(), read(compiled.as_text())
    traffic = sorted(program.traffic(), key=lambda item: -item[0])
    costs = compiled.cost_analysis() or {}
    # The state's leaves are the program's first arguments, less those that it does not read.
    of_state = program.arguments()[: -len(batch)]
    unaliased = [shape for i, shape in enumerate(of_state) if trained and i not in program.aliased]
    repeats = config.grad_accum if trained else 1  # the compiler tells the costs of a loop once
    fixed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    arguments, temporaries = need.argument_size_in_bytes, need.temp_size_in_bytes
    total = arguments + temporaries + need.output_size_in_bytes - need.alias_size_in_bytes
    result |= {
        "compiles": True,
        "seconds": time.perf_counter() - began,
        "memory": {"arguments": arguments, "temporaries": temporaries, "total": total},
        # What is not the state grows with the batch.
        "largest_batch": int(images * (device.chip.memory - fixed) / max(1, total - fixed)),
        # XLA's compiler for GPUs reports no costs: bytes are then the sizes of its kernels' inputs.
        "flops": costs["flops"] * repeats if costs else None,
        "bytes": costs["bytes accessed"] * repeats if costs else sum(size for size, _ in traffic),
        "bytes_by": "compiler" if costs else "operands",
        "padding": program.padding() if device.chip.sides else None,
        "collectives": [vars(one) for one in collectives(compiled.as_text())],
        "copies": program.copies(_LARGE),
        "unaliased": unaliased,
        "heaviest": [{"bytes": size, "name": one.name, "source": one.source} for size, one in traffic[:_HEAVIEST]],
    }
    print(json.dumps(result))
    return 0


def float32_products(text: str) -> int:
    """Convolutions and products with a factor in float32 that are not asked for exactly, in a program of StableHLO."""
    return sum(
        "HIGHEST" not in options and any(factor.endswith("xf32>") for factor in factors)
        for options, *factors in _PRODUCT.findall(text)
    )


if __name__ == "__main__":
    command_line.run(main)
