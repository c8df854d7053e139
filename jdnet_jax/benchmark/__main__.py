"""Measures what this machine does with a config or a student.

`python -m jdnet_jax.benchmark input --config=configs/food101.py`: images a second that the training input reaches,
stage by stage; with `--device=v5e-8` how many cores feed that accelerator. `python -m jdnet_jax.benchmark student
--from=runs/demo`: latency, size and memory of a student, in the hand-off and in every format that it is exported to, or
of exported files. `python -m jdnet_jax.benchmark train_step --config=configs/food101.py`, or `eval`: time, memory and
share of the machine's peak of one step, on noise, with random weights. `python -m jdnet_jax.benchmark depthwise
--config=configs/food101.py`: both forms of its depthwise convolutions. `python -m jdnet_jax.benchmark compile
--config=configs/food101.py --device=v5e-8`: the costs of both steps on an accelerator that is not there, by its
compiler. Each has its own --help: `... benchmark student --help`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple

from absl import flags

from jdnet_jax.files import user_files
from jdnet_jax.inference.cpus import available
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show

command_line.define_config("All but student: the config to measure, such as configs/food101.py.")
flags.declare_key_flag("config")  # --help lists it
_FROM = flags.DEFINE_multi_string(
    "from", None, "student: a workdir, hand-off, exported file or hf-hub:OWNER/NAME; may be repeated."
)
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


class Mode(NamedTuple):
    """Something that can be measured.

    Attributes:
        does: what it measures, in words.
        flags: names of the flags that it takes.
    """

    does: str
    flags: tuple[str, ...]


_STEP = ("config", "classes", "seconds", "profile", "json")
MODES = {
    "input": Mode(
        "Images a second that the training input of a config reaches, stage by stage.",
        ("config", "device", "classes", "seconds", "json"),
    ),
    "train_step": Mode("Time, memory and share of the machine's peak of a train step, on noise.", _STEP),
    "eval": Mode("Time, memory and share of the machine's peak of an evaluation step, on noise.", _STEP),
    "depthwise": Mode(
        "Both forms of the depthwise convolutions of a config's networks.", ("config", "classes", "seconds", "json")
    ),
    "compile": Mode(
        "What the compiler of an accelerator that is not there says of both steps of a config.",
        ("config", "device", "classes", "json"),
    ),
    "student": Mode(
        "Latency, size and memory of a student, in the hand-off and in every format that it is exported to, or of "
        "exported files.",
        ("from", "threads", "seconds", "json"),
    ),
}


def main(argv: list[str]) -> int:
    """Measures and prints, and returns the exit status."""
    _, *words = argv
    if len(words) != 1 or words[0] not in MODES:
        kinds = " or ".join(f"{name} --{mode.flags[0]}=..." for name, mode in MODES.items())
        raise UserError(f"name what to measure: {command_line.shown('benchmark')} {kinds}")
    _check_flags(words[0])
    match words[0]:
        case "input":
            _input()
        case "train_step" | "eval" as kind:
            _step(kind)
        case "depthwise":
            _depthwise()
        case "compile":
            return _compile()
        case "student":
            _student()
    return 0


def _check_flags(chosen: str) -> None:
    """Refuses a flag that belongs to another mode and would be ignored."""
    for name in dict.fromkeys(name for mode in MODES.values() for name in mode.flags):
        if flags.FLAGS[name].present and name not in MODES[chosen].flags:
            raise UserError(f"--{name} is for {' and '.join(mode for mode in MODES if name in MODES[mode].flags)}")


def help_of(argv: Sequence[str]) -> str | None:
    """The help of one mode, if the arguments name a mode and ask for help; otherwise None."""
    mode = next((argument for argument in argv[1:] if argument in MODES), None)
    if mode is None or not {"--help", "-help", "-h", "--helpfull", "--helpshort"}.intersection(argv):
        return None
    mode_flags = flags.FlagValues()
    for name in MODES[mode].flags:
        mode_flags[name] = flags.FLAGS[name]
    usage = f"{command_line.shown('benchmark')} {mode} --{MODES[mode].flags[0]}=..."
    return f"{MODES[mode].does}\n\n  {usage}\n\nflags:\n{mode_flags.get_help(include_special_flags=False)}"


def _input() -> None:
    config = command_line.required_config()
    command_line.log_warnings_only()
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
    if (text := help_of(sys.argv)) is not None:
        show(text)
    else:
        command_line.run(main)
