"""Kills real training processes at chosen moments and starts them again; shared by `test_kills` and `soak`."""

import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from jdnet_jax import metrics
from tests.commands import SMALL, started

MOMENTS = ("compiling", "step", "save", "evaluation")
# Lines of the log average over checkpoints, and evaluations lie between them.
LOG_EVERY, CHECKPOINT_EVERY, EVAL_EVERY = 3, 4, 6
FLAGS = (
    *SMALL,
    f"--config.log_every={LOG_EVERY}",
    f"--config.checkpoint_every={CHECKPOINT_EVERY}",
    f"--config.eval_every={EVAL_EVERY}",
    "--config.ema_decay=0.9",
)


@dataclass(frozen=True)
class Kill:
    """One process that was killed.

    Attributes:
        moment: at which it was killed, one of MOMENTS.
        start: seconds from its start to the end of its first step; None where it was killed before.
    """

    moment: str
    start: float | None


def train_to_the_end(args: tuple[str, ...], workdir: Path, data: str) -> None:
    """Starts the command and waits until it ends well."""
    with started("jdnet_jax.main", *args, f"--workdir={workdir}", TFDS_DATA_DIR=data) as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def kill_once(args: tuple[str, ...], workdir: Path, data: str, moment: str, rng: random.Random) -> Kill | None:
    """Starts the command and sends it SIGKILL at the moment; None where it ended well before that came.

    `rng` draws how many such moments pass before, and the delay within the moment.
    """
    began, first_step, passed = time.monotonic(), None, rng.randint(0, 2) if moment == "step" else 0
    with started("jdnet_jax.main", *args, f"--workdir={workdir}", TFDS_DATA_DIR=data) as process:
        for line in process.stderr:
            if line.startswith("first step done"):
                first_step = time.monotonic() - began
            if not _comes(moment, line):
                continue
            if passed:
                passed -= 1
                continue
            if moment == "save":
                _wait_for_a_save(workdir, process)
            time.sleep(rng.random() * {"compiling": 1.0, "step": 0.1, "save": 0.02, "evaluation": 0.05}[moment])
            if process.poll() is None:
                process.kill()
                process.wait()
                return Kill(moment, first_step)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return None


def result(workdir: Path) -> list[dict]:
    """The summary and every line of the metrics, without the throughput, which is another at every start."""
    summary = json.loads((workdir / "summary.json").read_text())
    return [
        {key: value for key, value in entry.items() if key != "images_per_second"}
        for entry in (summary, *metrics.read(workdir / "metrics.jsonl"))
    ]


def _comes(moment: str, line: str) -> bool:
    """Whether the moment comes after this line of the progress."""
    number = int(line.split()[1].partition("/")[0]) if line.startswith("step ") else None
    match moment:
        case "compiling":
            return line.startswith("compiling")
        case "evaluation":
            return number is not None and number % EVAL_EVERY == 0
        case _:
            return number is not None or line.startswith("first step done")


def _wait_for_a_save(workdir: Path, process: subprocess.Popen) -> None:
    while process.poll() is None and not list((workdir / "checkpoints").glob("*orbax-checkpoint-tmp*")):
        time.sleep(0.001)
