"""What XLA's compilers for a TPU and a GPU make of every recipe's step, and what the command says where they fail.

The compilers are in an environment of their own (the extra `aot`), whose Python JDNET_AOT_PYTHON names.
"""

import importlib
import json
import math
import os
import pickle
import subprocess

import jax
import numpy as np
import pytest

from jdnet_jax.benchmark import accelerators, compilation, made_up
from jdnet_jax.benchmark.compile_process import float32_products
from jdnet_jax.process.errors import UserError

PYTHON = os.environ.get("JDNET_AOT_PYTHON", "")
with_compilers = pytest.mark.skipif(not PYTHON, reason="JDNET_AOT_PYTHON names no Python that has libtpu and CUDA's")

SMALL = {"image_size": 32, "batch_size": 16}
HALF = {"compute_dtype": "bfloat16"}
#: A config of `configs/`, its argument, and what is changed.
CASES = {
    "jdnet": ("demo", "jdnet", HALF),
    "jdnet-sync": ("demo", "jdnet", {**HALF, "sync_batch_norm": True}),
    "ce-remat": ("demo", "ce", {"remat": True}),
    "kd-accum": ("demo", "kd", {**HALF, "grad_accum": 2}),
    "meal": ("meal_demo", "", {}),
    "meal_v2": ("meal_demo", "meal_v2", HALF),
    # At 32 pixels: 2 images of 66 tokens a chip, which tiles of 16 do not fill.
    "deit_hard": ("deit_demo", "", HALF),
    "rvernet": ("rvernet_demo", "", {**HALF, "image_size": 64}),
}


def small_config(name):
    file, argument, changes = CASES[name]
    config = importlib.import_module(f"configs.{file}").get_config(*([argument] if argument else []))
    config.update_from_flattened_dict({**SMALL, **changes})
    return config


def compiled(config, step, device):
    """What the process of `compilation` prints, run by the Python that has the compilers."""
    environment = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")}
    command = [PYTHON, "-m", "jdnet_jax.benchmark.compile_process", step, device, "12"]
    done = subprocess.run(command, input=pickle.dumps(config), capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def sent_bytes(config):
    """Bytes of the gradients and the running statistics of what is trained: what every step sends."""
    parts = made_up.build(config, 12)
    state = jax.eval_shape(parts.initial_state)
    trees = [tree[group] for tree in (state.params, state.batch_stats) for group in parts.optimizers if group in tree]
    leaves = jax.tree.leaves(trees)
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)


@pytest.mark.slow
@with_compilers
@pytest.mark.parametrize("device", ["v5e-8", "h100-8"])
@pytest.mark.parametrize("name", CASES)
def test_accelerators_compile_every_recipe_as_meant(name, device, monkeypatch):
    # The level at which a TPU's step compiles fastest; for GPUs the default one, as it is there that XLA fails.
    if device == "v5e-8":
        monkeypatch.setenv("JAX_OPTIMIZATION_LEVEL", "O0")
    config = small_config(name)
    found = compiled(config, "train_step", device)
    assert found["compiles"], found["why"]
    assert found["memory"]["total"] < accelerators.parse(device).chip.memory
    assert found["unaliased"] == []
    assert found["float32_products"] == (0 if config.compute_dtype == "bfloat16" else None)
    if not config.remat:
        assert found["barriers"] == 0
    assert found["scans"] == (1 if config.grad_accum > 1 else 0)
    assert {one["kind"] for one in found["collectives"]} == {"all-reduce"}
    if not config.sync_batch_norm:
        assert len(found["collectives"]) <= 4
        # Metrics are scalars. A shortcut's BatchNorm and the branch's last one have the same gradient of the bias.
        assert 0.98 * sent_bytes(config) < sum(one["size"] for one in found["collectives"]) < sent_bytes(config) + 4096


@pytest.mark.slow
@with_compilers
def test_flops_are_those_of_the_formula(monkeypatch):
    # At full size: of smaller photos more products are with the border's zeros, which only the formula counts, and of
    # smaller batches the optimiser is more of the work, which only the compiler counts.
    monkeypatch.setenv("JAX_OPTIMIZATION_LEVEL", "O0")
    config = importlib.import_module("configs.food101").get_config()
    found = compiled(config, "train_step", "v5e-8")
    assert found["compiles"], found["why"]
    assert found["memory"]["total"] < accelerators.parse("v5e-8").chip.memory
    assert found["unaliased"] == []
    assert found["float32_products"] == 0
    assert found["flops"] == pytest.approx(found["formula_flops"], rel=0.06)


@pytest.mark.slow
@with_compilers
@pytest.mark.parametrize("device", ["v5e-1", "h100-1"])
def test_one_chip_sends_nothing(device, monkeypatch):
    monkeypatch.setenv("JAX_OPTIMIZATION_LEVEL", "O0")
    config = small_config("jdnet-sync")
    found = compiled(config, "train_step", device)
    assert found["compiles"], found["why"]
    assert found["collectives"] == []


def test_a_compiler_that_dies_is_one_line(monkeypatch):
    said = b"I0000 hello\nF0101 10:00:00.5   77 a.cc:5] Check failed: a == b (1 vs. 2) \n*** Check failure stack trace"
    monkeypatch.setattr(compilation, "check_installed", lambda _: None)
    done = subprocess.CompletedProcess([], -6, b"", said)
    monkeypatch.setattr(compilation.subprocess, "run", lambda *_, **__: done)
    result = compilation.measure(small_config("jdnet"), accelerators.parse("h100-8"), 12)
    assert result["steps"]["eval"] == {
        "compiles": False,
        "why": "XLA's compiler ended with SIGABRT: a.cc:5] Check failed: a == b (1 vs. 2)",
    }
    assert "train_step: does not compile: XLA's compiler ended with SIGABRT" in compilation.table(result)


def test_figures_follow_from_the_compilers(monkeypatch):
    step = {
        "compiles": True,
        "seconds": 3.0,
        "images": 4,
        "memory": {"arguments": 10**6, "temporaries": 2 * 10**6, "total": 17 * 10**9},
        "largest_batch": 3,
        "flops": 197e9,
        "formula_flops": 190e9,
        "float32_products": 0,
        "bytes": 819e7,
        "bytes_by": "compiler",
        "padding": 0.25,
        "collectives": [{"kind": "all-reduce", "arrays": 2, "size": 10**6}],
        "copies": [2 * 10**6],
        "unaliased": [],
        "heaviest": [{"bytes": 10**6, "name": "fusion", "source": "conv"}],
    }
    monkeypatch.setattr(compilation, "check_installed", lambda _: None)
    monkeypatch.setattr(compilation, "_compile", lambda *_: dict(step))
    result = compilation.measure(small_config("jdnet"), accelerators.parse("v5e-4"), 12)
    train = result["steps"]["train_step"]
    assert train["roofline"] == {
        "arithmetic": pytest.approx(1e-3),
        "bandwidth": pytest.approx(1e-2),
        "bound": "bandwidth",
    }
    assert not train["fits"]
    shown = compilation.table(result)
    assert "does not fit; about 3 images a chip would" in shown
    assert "197.0 GFLOP, 190.0 GFLOP by formula; 8,190.0 MB moved" in shown
    assert "bound by bandwidth, at most 400 images/s a chip" in shown
    assert "25.0% of what is written is padding" in shown


def test_products_in_float32_are_told_from_those_that_are_asked_for():
    convolution = "stablehlo.convolution(%0, %1) dim_numbers = [b, 0, 1, f] {precision_config = [DEFAULT]}"
    product = "stablehlo.dot_general %0, %1, contracting_dims = [1] x [0]"
    assert float32_products(f"%2 = {convolution} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>") == 1
    assert float32_products(f"%2 = {product} : (tensor<2x3xbf16>, tensor<3x4xf32>) -> tensor<2x4xf32>") == 1
    assert float32_products(f"%2 = {product} : (tensor<2x3xbf16>, tensor<3x4xbf16>) -> tensor<2x4xf32>") == 0
    exact = f"{product}, precision = [HIGHEST, HIGHEST]"
    assert float32_products(f"%2 = {exact} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>") == 0


def test_a_batch_that_cannot_be_cut_is_one_line():
    config = small_config("kd-accum")
    with pytest.raises(UserError, match=r"^config\.batch_size=16 cannot be cut into 2 micro-batches for each of 16 "):
        made_up.train_batch_shapes(config, 12, 16)


@pytest.mark.slow
def test_shapes_are_those_of_the_batches():
    config = small_config("kd-accum")
    for shapes, batch in (
        (made_up.train_batch_shapes(config, 12, jax.device_count()), made_up.train_batch(config, 12)),
        (made_up.eval_batch_shapes(config, 12, jax.device_count()), made_up.eval_batch(config, 12)),
    ):
        assert {name: (leaf.shape, leaf.dtype) for name, leaf in shapes.items()} == {
            name: (leaf.shape, leaf.dtype) for name, leaf in batch.items()
        }
