"""Measures what this machine does with a config or a student.

`python -m jdnet_jax.benchmark input --config=configs/food101.py`: images a second that the training input reaches,
stage by stage; with `--device=v5e-8` how many cores feed that accelerator. `python -m jdnet_jax.benchmark student
--from=runs/demo`: latency, size and memory of a student, in the hand-off and in every format that it is exported to, or
of exported files. `python -m jdnet_jax.benchmark train_step --config=configs/food101.py`, or `eval`: time, memory and
share of the machine's peak of one step, on noise, with random weights. `python -m jdnet_jax.benchmark depthwise
--config=configs/food101.py`: both forms of its depthwise convolutions. `python -m jdnet_jax.benchmark compile
--config=configs/food101.py --device=v5e-8`: what the compiler of an accelerator that is not there says of both steps.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Literal

from absl import flags

from jdnet_jax.files import user_files
from jdnet_jax.inference.cpus import available
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show

KINDS = (
    "input --config=...",
    "train_step --config=...",
    "eval --config=...",
    "depthwise --config=...",
    "compile --config=...",
    "student --from=...",
)

command_line.define_config("All but student: the config to measure, such as configs/food101.py.")
flags.declare_key_flag("config")  # --help lists it
_FROM = flags.DEFINE_multi_string("from", None, "student: a workdir, a hand-off or an exported file; may be repeated.")
_THREADS = flags.DEFINE_list("threads", ["1"], "student: numbers of CPUs to use, such as 1,2.")
_SECONDS = flags.DEFINE_float("seconds", 10.0, "How long each figure is measured, after a warm-up.", lower_bound=0.1)
_CLASSES = flags.DEFINE_integer("classes", 101, "All but student: classes of the networks.", lower_bound=2)
_PROFILE = flags.DEFINE_string("profile", None, "train_step, eval: a folder for a trace that TensorBoard opens.")
_DEVICE = flags.DEFINE_string(
    "device",
    None,
    "compile (v5e-8), input (none): the accelerator, such as v5e-8, v5p-8, v6e-1, a100-8, h100-8 or h200-1. input "
    "then says how many cores feed it, by its compiler.",
)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object instead of a table.")


def main(argv: list[str]) -> int:
    """Measures and prints, and returns the exit status."""
    if _PROFILE.value and argv[1:] not in (["train_step"], ["eval"]):
        raise UserError("--profile is for train_step and eval")
    match argv[1:]:
        case ["input"]:
            _input()
        case ["train_step" | "eval" as kind]:
            _step(kind)
        case ["depthwise"]:
            _depthwise()
        case ["compile"]:
            return _compile()
        case ["student"]:
            _student()
        case _:
            raise UserError(f"name what to measure: python -m jdnet_jax.benchmark {' or '.join(KINDS)}")
    return 0


def _input() -> None:
    config = command_line.required_config()
    command_line.set_up_libraries()

    from jdnet_jax.benchmark import accelerators, input_pipeline

    device = accelerators.parse(_DEVICE.value) if _DEVICE.value else None
    with contextlib.redirect_stdout(sys.stderr):  # where TFDS's words about a preparation belong
        result = input_pipeline.measure(config, _SECONDS.value, device, _CLASSES.value)
    show(json.dumps(result) if _JSON.value else input_pipeline.table(result))


def _step(kind: Literal["train_step", "eval"]) -> None:
    config = command_line.required_config()
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.benchmark import steps

    profile = user_files.expanded(_PROFILE.value) if _PROFILE.value else None
    result = steps.measure(config, kind, _CLASSES.value, _SECONDS.value, profile)
    show(json.dumps(result) if _JSON.value else steps.table(result))


def _depthwise() -> None:
    config = command_line.required_config()
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.benchmark import depthwise

    result = depthwise.measure(config, _CLASSES.value, _SECONDS.value)
    show(json.dumps(result) if _JSON.value else depthwise.table(result))


def _compile() -> int:
    config = command_line.required_config()

    from jdnet_jax.benchmark import accelerators, compilation

    result = compilation.measure(config, accelerators.parse(_DEVICE.value or "v5e-8"), _CLASSES.value)
    show(json.dumps(result) if _JSON.value else compilation.table(result))
    return 0 if all(step["compiles"] for step in result["steps"].values()) else 1


def _student() -> None:
    if not _FROM.value:
        raise UserError("--from is missing: name a workdir, a hand-off (student/) or an exported file")
    threads = [int(count) if count.isdecimal() else 0 for count in _THREADS.value]
    if not threads or min(threads) < 1 or max(threads) > available():
        raise UserError(f"--threads={','.join(_THREADS.value)} must be numbers from 1 to {available()}, this machine's")
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.benchmark import student

    result = student.measure([user_files.expanded(name) for name in _FROM.value], threads, _SECONDS.value)
    show(json.dumps(result) if _JSON.value else student.table(result))


if __name__ == "__main__":
    command_line.run(main)
