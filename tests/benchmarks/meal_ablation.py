"""MEAL with and without each of its parts: trains the teachers and all students, and writes one table.

    python -m tests.benchmarks.meal_ablation --config=configs/meal_cifar10_small.py --data_dir=FOLDER \\
        --teachers=resnet,mobilenet,transformer --seeds=0,1,2 --jobs=2 --workdir=FOLDER

Teachers are trained once, seed 0. Then for each seed the student alone (`ce`), from the teacher that is best on val
alone (without discriminators), and from all teachers in each mode. Run i of `--jobs` runs side by side is pinned to
core i. The same command goes on where it was stopped: runs that are finished are read, others continue. After every run
`table.md` in the workdir is written anew. Options after `--` go to every run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import queue
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax.files import atomic

#: Recipes of the students that learn from all teachers, and what the table calls them.
MODES = {
    "meal_none": "MEAL, none",
    "meal_joint": "MEAL, joint (as released)",
    "meal": "MEAL, reversal",
    "meal_alternate": "MEAL, alternate",
}
ALONE, BEST = "alone, from the labels", "from the best teacher alone, none"


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: its name in the workdir, the config's argument, and its seed."""

    name: str
    argument: str
    seed: int


def teacher_run(name: str) -> Run:
    """The training of a teacher."""
    return Run(f"teacher-{name}", f"stage=teacher,model={name}", 0)


def student_runs(workdir: Path, teachers: Sequence[str], best: str, seeds: Sequence[int]) -> dict[str, list[Run]]:
    """The students by row of the table; a seed of each row comes before the next seed of any."""
    handoffs = f"handoffs={workdir}/teacher-{{}}"
    arguments = {
        ALONE: "ce",
        BEST: f"meal_none,teachers={best},{handoffs}",
        **{row: f"{recipe},teachers={'+'.join(teachers)},{handoffs}" for recipe, row in MODES.items()},
    }
    names = {ALONE: "ce", BEST: "best", **{row: recipe for recipe, row in MODES.items()}}
    return {row: [Run(f"{names[row]}-{s}", argument, s) for s in seeds] for row, argument in arguments.items()}


def table(teachers: Mapping[str, Mapping[str, Any]], students: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The table in Markdown.

    Args:
        teachers: summaries of their runs, by name.
        students: summaries by row, one for each seed that is finished.
    """
    lines = [
        "| what is tested | test error, % | runs | single runs, % | M parameters | M multiply-adds |",
        "|---|---|---|---|---|---|",
    ]
    for name, summary in teachers.items():
        lines.append(_row(f"teacher {name}", [summary["student"]], summary["student"]))
    for row, summaries in students.items():
        if summaries:
            lines.append(_row(f"student {row}", [summary["student"] for summary in summaries], summaries[0]["student"]))
    together = next((s["ensemble"] for own in students.values() for s in own if "ensemble" in s), None)
    if together:
        lines.append(_row("the teachers' ensemble itself", [together], together))
    return "\n".join(lines) + "\n"


def _row(what: str, results: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]) -> str:
    errors = [100 * (1 - result["test"]["top1"]) for result in results]
    deviation = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    singles = ", ".join(f"{error:.2f}" for error in errors)
    size = f"{cost['params'] / 1e6:.2f} | {cost['multiply_adds'] / 1e6:.1f}"
    return f"| {what} | {statistics.mean(errors):.2f}{deviation} | {len(errors)} | {singles} | {size} |"


def in_parallel(runs: Sequence[Run], jobs: int, train: Callable[[Run, int], bool]) -> list[Run]:
    """Trains all runs, `jobs` at a time, each on the core of its worker; returns those that failed."""
    waiting: queue.SimpleQueue[Run] = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)
    failed: list[Run] = []

    def work(core: int) -> None:
        while True:
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            if not train(run, core):
                failed.append(run)

    workers = [threading.Thread(target=work, args=(core,)) for core in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return failed


class Ablation:
    """The runs in a workdir."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.workdir = options, options.workdir.absolute()
        self.lock = threading.Lock()
        self.rows: dict[str, list[Run]] = {}

    def summary(self, run: Run) -> dict[str, Any] | None:
        """What a finished run says of itself; None for others."""
        path = self.workdir / run.name / "summary.json"
        return json.loads(path.read_text()) if path.exists() else None

    def train(self, run: Run, core: int) -> bool:
        """Trains or continues a run on a core; whether it came to its end."""
        if self.summary(run) is None:
            command = ["taskset", "-c", str(core), sys.executable, "-m", "jdnet_jax.main"]
            command += [f"--config={self.options.config}:{run.argument}", f"--config.seed={run.seed}"]
            command += [f"--workdir={self.workdir / run.name}", *self.options.others]
            if self.options.data_dir:
                command.append(f"--config.dataset.data_dir={self.options.data_dir}")
            self.workdir.mkdir(parents=True, exist_ok=True)
            with open(self.workdir / f"{run.name}.log", "a", encoding="utf-8") as log:
                status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
            if status:
                print(f"{run.name} ended with status {status}: see {self.workdir / run.name}.log", flush=True)
                return False
        with self.lock:
            self.write()
            print(f"{run.name} is finished", flush=True)
        return True

    def write(self) -> None:
        """Writes the table of what is finished."""
        own = {name: self.summary(teacher_run(name)) for name in self.options.teachers}
        students = {row: [found for run in runs if (found := self.summary(run))] for row, runs in self.rows.items()}
        text = table({name: summary for name, summary in own.items() if summary}, students)
        atomic.write_text(self.workdir / "table.md", text)

    def run(self) -> int:
        """Trains everything and prints the table; 0 where nothing failed."""
        teachers = [teacher_run(name) for name in self.options.teachers]
        if in_parallel(teachers, self.options.jobs, self.train):
            return 1
        val = {
            name: (self.summary(teacher_run(name)) or {})["student"]["val"]["top1"] for name in self.options.teachers
        }
        best = max(val, key=lambda name: val[name])
        self.rows = student_runs(self.workdir, self.options.teachers, best, self.options.seeds)
        in_order = [run for of_seed in zip(*self.rows.values(), strict=True) for run in of_seed]
        failed = in_parallel(in_order, self.options.jobs, self.train)
        print(f"the best teacher on val is {best}\n{(self.workdir / 'table.md').read_text()}")
        return 1 if failed else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command's options; `others` are those after `--`."""
    own, others = (argv, []) if "--" not in argv else (argv[: argv.index("--")], argv[argv.index("--") + 1 :])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/meal_cifar10_small.py", help="one of MEAL's configs")
    parser.add_argument("--data_dir", default="", help="config.dataset.data_dir of every run")
    parser.add_argument("--workdir", type=Path, required=True, help="where the runs and the table go")
    parser.add_argument(
        "--teachers", type=lambda text: text.split(","), required=True, help="names, with commas between"
    )
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="how many runs side by side, each on a core of its own")
    options = parser.parse_args(own)
    options.others = others
    return options


if __name__ == "__main__":
    sys.exit(Ablation(parse(sys.argv[1:])).run())
