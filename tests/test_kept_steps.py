import os
import subprocess
import sys
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jdnet_jax import kept_steps, step
from jdnet_jax.kept_steps import KeptSteps
from tests import tiny_recipe as tiny
from tests.commands import ROOT
from tests.conftest import QUICK_COMPILATION

CONFIG = tiny.config()


@flax.struct.dataclass
class State:
    weight: Any
    count: Any


def scale(state, batch):
    value = lax.pmean((batch["image"] * state.weight).sum(), step.DATA_AXIS)
    return State(state.weight + value, state.count + 1), {"loss/b": value, "accuracy/a": -value}


def untraceable(*arguments):
    pytest.fail("traced again")


def state():
    return step.place(State(jnp.arange(3.0), jnp.zeros((), jnp.int32)))


def batch():
    return step.split({"image": np.arange(48, dtype=np.float32).reshape(16, 3)})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_steps, "_folder", tmp_path / "traced")
    monkeypatch.setattr(kept_steps, "_software", kept_steps._installed())
    return tmp_path / "traced"


def kept(function=scale, config=CONFIG, classes=3, steps=7, begin=False):
    own = KeptSteps(config, classes, steps)
    if begin:
        own.begin("train_step", "eval_step")
    return own.step("train_step", step.mapped(function, donate_state=True), donate_state=True)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("begin", [False, True])
def test_a_second_start_runs_the_same_step_without_a_trace(folder, begin):
    expected = step.mapped(scale)(state(), batch())
    first, second = kept(), kept(untraceable, begin=begin)
    assert not folder.exists()
    assert_same(first(state(), batch()), expected)
    assert len(list(folder.iterdir())) == 1
    if begin:
        second = kept(untraceable, begin=True)
    assert_same(second(state(), batch()), expected)
    again = second(*(second(state(), batch())[0], batch()))
    assert int(again[0].count) == 2


@pytest.mark.parametrize("written_before", [False, True])
def test_the_state_is_given_away_and_the_next_is_on_every_device(folder, written_before):
    if written_before:
        kept()(state(), batch())
    before = state()
    after, metrics = kept()(before, batch())
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before))
    assert len(after.weight.sharding.device_set) == jax.device_count() == 8
    assert after.weight.is_fully_replicated
    assert metrics["loss/b"].is_fully_replicated


def test_a_step_that_keeps_its_arguments_returns_any_dictionary(folder):
    def sums(variables, batch):
        return {"a": {"total": lax.psum(batch["image"].sum(), step.DATA_AXIS)}, "count": variables["count"]}

    variables = step.place({"count": jnp.int32(4)})
    for function in (sums, untraceable):
        found = KeptSteps(CONFIG, 3, 7).step("eval_step", step.mapped(function))(variables, batch())
        assert_same(found, {"a": {"total": np.float32(47 * 24)}, "count": np.int32(4)})
    assert not variables["count"].is_deleted()


def test_a_train_step_has_the_bits_of_one_that_is_not_kept(folder):
    recipe = tiny.Recipe(tiny.config(batch_size=16))
    examples = step.split(tiny.batch(16), grad_accum=1)
    begin = jax.device_get(recipe.state)
    expected = step.mapped(recipe.step())(step.place(begin), examples)
    for function in (recipe.step(), untraceable):
        assert_same(kept(function, recipe.config)(step.place(begin), examples), expected)


def test_another_run_has_another_step(folder, monkeypatch):
    kept()(state(), batch())
    longer = tiny.config()
    longer.ema_decay = 0.5
    for other in ({"config": longer}, {"classes": 4}, {"steps": 8}):
        with pytest.raises(pytest.fail.Exception, match="traced again"):
            kept(untraceable, **other)(state(), batch())
    monkeypatch.setenv("FLAX_FIX_RNG_SEPARATOR", "true")
    with pytest.raises(pytest.fail.Exception, match="traced again"):
        kept(untraceable)(state(), batch())
    monkeypatch.delenv("FLAX_FIX_RNG_SEPARATOR")
    with jax.default_matmul_precision("highest"), pytest.raises(pytest.fail.Exception, match="traced again"):
        kept(untraceable)(state(), batch())
    monkeypatch.setattr(kept_steps, "_software", "another version of the package")
    with pytest.raises(pytest.fail.Exception, match="traced again"):
        kept(untraceable)(state(), batch())


@pytest.mark.parametrize("begin", [False, True])
def test_arguments_of_other_shapes_or_names_are_traced(folder, begin):
    kept()(state(), batch())
    longer = step.split({"image": np.ones((32, 3), np.float32)})
    assert_same(kept(begin=begin)(state(), longer), step.mapped(scale)(state(), longer))
    renamed = step.split({"image": np.ones((32, 3), np.float32), "label": np.ones((32, 3), np.float32)})
    assert_same(kept(begin=begin)(state(), renamed), step.mapped(scale)(state(), renamed))


def test_what_was_traced_from_files_that_changed_since_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(kept_steps, "_installed", lambda: "edited")
    assert_same(kept()(state(), batch()), step.mapped(scale)(state(), batch()))
    assert not folder.exists()


def test_a_config_without_a_text_of_its_own_is_not_kept(folder):
    config = tiny.config()
    with config.unlocked():
        config.dataset.options.classes = np.arange(3)
    mapped = step.mapped(scale)
    assert KeptSteps(config, 3, 7).step("train_step", mapped, donate_state=True) is mapped


def test_a_mistake_in_the_step_is_told(folder):
    def wrong(state, batch):
        raise ValueError("this step is wrong")

    with pytest.raises(ValueError, match="this step is wrong"):
        kept(wrong)(state(), batch())


@pytest.mark.parametrize("error", [PermissionError, NotADirectoryError])
@pytest.mark.parametrize("begin", [False, True])
def test_a_folder_that_cannot_be_read(folder, monkeypatch, error, begin):
    def refuse(path):
        raise error(13, "no", str(path))

    monkeypatch.setattr(kept_steps.Path, "read_bytes", refuse)
    monkeypatch.setattr(kept_steps, "_installed", lambda: kept_steps._software)
    assert_same(kept(begin=begin)(state(), batch()), step.mapped(scale)(state(), batch()))


@pytest.mark.parametrize("damage", [b"", b"{}\n", b'{"whole": 2}\nnothing'])
@pytest.mark.parametrize("begin", [False, True])
def test_a_file_that_cannot_be_read_is_replaced(folder, damage, begin):
    kept()(state(), batch())
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage or whole[: len(whole) // 2])
    assert_same(kept(begin=begin)(state(), batch()), step.mapped(scale)(state(), batch()))
    assert_same(kept(untraceable)(state(), batch()), step.mapped(scale)(state(), batch()))


def test_what_cannot_be_exported_runs_all_the_same(folder):
    seen = []

    def noted(state, batch):
        jax.debug.callback(seen.append, batch["image"].sum())
        return scale(state, batch)

    assert_same(kept(noted)(state(), batch()), step.mapped(scale)(state(), batch()))
    jax.effects_barrier()
    assert len(seen) == 8
    assert not folder.exists()


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(kept_steps.Path, "write_bytes", full)
    assert_same(kept()(state(), batch()), step.mapped(scale)(state(), batch()))
    assert list(folder.iterdir()) == []


def test_a_file_where_the_folder_should_be(folder):
    folder.write_text("")
    assert_same(kept()(state(), batch()), step.mapped(scale)(state(), batch()))


def test_those_that_were_used_last_stay(folder, monkeypatch):
    monkeypatch.setattr(kept_steps, "_MOST", 2)
    runs = [{"steps": steps} for steps in (1, 2, 3)]
    kept(**runs[0])(state(), batch())
    kept(**runs[1])(state(), batch())
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    kept(untraceable, **runs[0])(state(), batch())
    kept(**runs[2])(state(), batch())
    assert len(list(folder.iterdir())) == 2
    kept(untraceable, **runs[0])(state(), batch())
    with pytest.raises(pytest.fail.Exception, match="traced again"):
        kept(untraceable, **runs[1])(state(), batch())


def test_without_a_folder_the_step_is_the_mapped_one(monkeypatch):
    monkeypatch.setattr(kept_steps, "_folder", None)
    mapped = step.mapped(scale)
    own = KeptSteps(CONFIG, 3, 7)
    own.begin("train_step")
    assert own.step("train_step", mapped, donate_state=True) is mapped


@pytest.mark.parametrize(
    ("cache", "on", "expected"),
    [
        ("/somewhere", True, "/somewhere/traced"),
        ("/somewhere", False, "None"),
        ("gs://bucket/compiled", True, "None"),
        (None, True, "None"),
    ],
)
def test_where_steps_are_kept(monkeypatch, cache, on, expected):
    monkeypatch.setattr(kept_steps, "_folder", None)
    monkeypatch.setattr(kept_steps, "_software", "")
    before = {key: jax.config.values[key] for key in ("jax_compilation_cache_dir", "jax_enable_compilation_cache")}
    try:
        for key, value in zip(before, (cache, on), strict=True):
            jax.config.update(key, value)
        kept_steps.keep()
    finally:
        for key, value in before.items():
            jax.config.update(key, value)
    assert kept_steps._software == kept_steps._installed()
    assert str(kept_steps._folder) == expected


COMMAND = """
import sys
from jdnet_jax import assembly, command_line
from jdnet_jax.benchmark import __main__ as benchmark

def refuse(*arguments):
    raise AssertionError("traced again")

if sys.argv.pop(1) == "second":
    assembly.Assembly.train_step = lambda self: refuse
command_line.run(benchmark.main)
"""


@pytest.mark.slow
def test_a_second_start_of_a_command_traces_nothing(tmp_path):
    flags = ["--image_size=32", "--batch_size=8", "--student.options.width=4", "--teachers.teacher.options.width=4"]
    for start in ("first", "second"):
        subprocess.run(
            [sys.executable, "-c", COMMAND, start, "train_step", "--config=configs/demo.py", "--seconds=0.1"]
            + [flag.replace("--", "--config.") for flag in flags],
            env={**os.environ, "XLA_FLAGS": QUICK_COMPILATION, "JAX_COMPILATION_CACHE_DIR": str(tmp_path)},
            cwd=ROOT,
            check=True,
        )
    assert len(list((tmp_path / "traced").iterdir())) == 1


def test_it_is_lowered_and_compiled_as_a_mapped_step_is(folder):
    for _ in range(2):
        compiled = kept().lower(state(), batch()).compile()
        assert compiled.memory_analysis().argument_size_in_bytes > 0
        assert_same(compiled(state(), batch()), step.mapped(scale)(state(), batch()))
