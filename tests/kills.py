"""Kills real training processes at chosen moments and starts them again; shared by `test_kills` and `soak`."""

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jdnet_jax.run import metrics
from tests.commands import ALONE, SMALL, started

MOMENTS = ("compiling", "step", "save", "evaluation")
# Lines of the log average over checkpoints, and evaluations lie between them.
LOG_EVERY, CHECKPOINT_EVERY, EVAL_EVERY = 3, 4, 6
PERIODS = (
    f"--config.log_every={LOG_EVERY}",
    f"--config.checkpoint_every={CHECKPOINT_EVERY}",
    f"--config.eval_every={EVAL_EVERY}",
    "--config.ema_decay=0.9",
)
FLAGS = (*SMALL, *PERIODS)
# The run of the tests, of which the fixture `untouched_run` is one: what is left behind does not depend on the recipe.
SHORT = (*ALONE, *PERIODS, "--config.steps=50")


@dataclass(frozen=True)
class Start:
    """One start of the command.

    Attributes:
        killed: whether it was; else it ended well.
        first_step: seconds from the start to the end of its first step; None where it did not come so far.
        resumed: the step that it went on from.
        reached: the last step that it is known to have done.
    """

    killed: bool
    first_step: float | None
    resumed: int
    reached: int


def train_to_the_end(args: tuple[str, ...], workdir: Path, data: str) -> Start:
    """Starts the command and waits until it ends well."""
    return _start(args, workdir, data, lambda line, process: False)


def kill_once(args: tuple[str, ...], workdir: Path, data: str, moment: str, rng: random.Random) -> Start:
    """Starts the command and sends it SIGKILL at the moment; it may end well before that comes.

    `rng` draws how many such moments pass before, and the delay within the moment.
    """
    passed = rng.randint(0, 2) if moment == "step" else 0
    delay = rng.random() * {"compiling": 1.0, "step": 0.1, "save": 0.02, "evaluation": 0.05}[moment]

    def kill(line: str, process: subprocess.Popen) -> bool:
        nonlocal passed
        if not _comes(moment, line):
            return False
        if passed:
            passed -= 1
            return False
        if moment == "save":
            _wait_for_a_save(workdir, process)
        time.sleep(delay)
        if process.poll() is None:
            process.kill()
        process.communicate()  # to the end of its output: what is forked ends a moment after its client
        return process.returncode != 0

    if moment != "compiling":
        return _start(args, workdir, data, kill)
    # Every other start finds what was compiled before.
    with tempfile.TemporaryDirectory(prefix="jdnet-jax-kills-") as empty:
        return _start(args, workdir, data, kill, JAX_COMPILATION_CACHE_DIR=empty)


def _start(
    args: tuple[str, ...], workdir: Path, data: str, kill: Callable[[str, subprocess.Popen], bool], **env: str
) -> Start:
    began, first_step, resumed, reached = time.monotonic(), None, 0, 0
    with started("jdnet_jax.main", *args, f"--workdir={workdir}", TFDS_DATA_DIR=data, **env) as process:
        for line in process.stderr:
            if line.startswith("continuing after step "):
                resumed = reached = int(line.split()[3])
            elif line.startswith("first step done"):
                first_step, reached = time.monotonic() - began, resumed + 1
            elif line.startswith("step "):
                reached = _number(line)
            if kill(line, process):
                return Start(True, first_step, resumed, reached)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return Start(False, first_step, resumed, reached)


def result(workdir: Path) -> list[dict]:
    """The summary and every line of the metrics, without the throughput, which is another at every start."""
    summary = json.loads((workdir / "summary.json").read_text())
    return [
        {key: value for key, value in entry.items() if key != "images_per_second"}
        for entry in (summary, *metrics.read(workdir / "metrics.jsonl"))
    ]


def _comes(moment: str, line: str) -> bool:
    """Whether the moment comes after this line of the progress."""
    number = _number(line) if line.startswith("step ") else None
    match moment:
        case "compiling":
            return line.startswith("compiling")
        case "evaluation":
            return number is not None and number % EVAL_EVERY == 0
        case _:
            return number is not None or line.startswith("first step done")


def _number(line: str) -> int:
    return int(line.split()[1].partition("/")[0])


def _wait_for_a_save(workdir: Path, process: subprocess.Popen) -> None:
    while process.poll() is None and not list((workdir / "checkpoints").glob("*orbax-checkpoint-tmp*")):
        time.sleep(0.001)
