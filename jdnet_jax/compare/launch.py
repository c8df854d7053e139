"""Runs trainings as `python -m jdnet_jax.main`, each in a separate process, several at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jdnet_jax.compare import recipes
from jdnet_jax.compare.plan import Run
from jdnet_jax.figures import intervals
from jdnet_jax.files import atomic
from jdnet_jax.process import children
from jdnet_jax.process.interruption import EXIT_STATUS
from jdnet_jax.process.progress import duration

_POLL = 0.5  # seconds between two looks at the processes


@dataclass
class _Started:
    run: Run
    process: subprocess.Popen[bytes]
    began: float
    slot: int
    told_to_end: bool = False

    def end(self) -> None:
        """Asks it, once, to save and end; a second signal would end it at once."""
        if not self.told_to_end:
            self.told_to_end = True
            self.process.terminate()


class Launcher:
    """A launcher of runs, `jobs` at a time; a failure ends that run and those that need it, no others."""

    def __init__(self, folder: Path, jobs: int, cores: int, say: Callable[[str], None]):
        """Sets the folder and the options; starts nothing.

        Args:
            folder: folder of the comparison; `configs/` and `logs/` are made in it.
            jobs: number of runs at a time.
            cores: cores for each run alone; 0: all, shared.
            say: takes a line for the user who waits.
        """
        self._folder, self._jobs, self._cores, self._say = folder, jobs, cores, say
        self.failed: dict[str, str] = {}  # name -> why
        self._title: dict[str, str] = {}  # name -> `run 3 of 8, NAME`
        self._interrupted = False
        self._held: set[str] = set()  # names of runs that had to wait for another process

    def run_all(self, runs: Sequence[Run]) -> bool:
        """Runs all unfinished runs in order; returns False if it was interrupted.

        SIGTERM, SIGINT and SIGHUP end it early. Running trainings are then ended as `main` ends them: saved, so that
        they can continue.
        """
        self._title = {run.name: f"run {i} of {len(runs)}, {run.name}" for i, run in enumerate(runs, 1)}
        unfinished = [run for run in runs if run.place.finished() is None]
        finished = {run.name for run in runs} - {run.name for run in unfinished}
        # A teacher whose students are all finished may have been deleted to save room.
        needed = {name for run in unfinished for name in run.needs}
        waiting = [run for run in unfinished if run.recipe or run.name in needed]
        if finished:
            self._say(f"{len(finished)} of {len(runs)} runs are finished already")
        running: list[_Started] = []
        with self._listening(running):
            while waiting or running:
                self._collect(running, finished)
                if self._interrupted:
                    if not running:
                        break
                else:
                    self._start_next(waiting, running, finished)
                if running or waiting:
                    time.sleep(_POLL)
        return not self._interrupted

    def _start_next(self, waiting: list[Run], running: list[_Started], finished: set[str]) -> None:
        for run in list(waiting):
            if broken := [name for name in run.needs if name in self.failed]:
                self.failed[run.name] = f"needs {', '.join(broken)}"
                self._say(f"{self._title[run.name]}: left out, as it needs {', '.join(broken)}")
                waiting.remove(run)
            elif not self._interrupted and len(running) < self._jobs and finished.issuperset(run.needs):
                if run.place.is_held():
                    if run.name not in self._held:
                        self._held.add(run.name)
                        self._say(f"{self._title[run.name]}: another process still trains there; waiting for its end")
                    continue
                waiting.remove(run)
                slot = min(set(range(self._jobs)) - {other.slot for other in running})
                running.append(started := self._start(run, slot))
                if self._interrupted:  # a signal that came before it was in the list
                    started.end()
                self._say(f"{self._title[run.name]}: started; {self._log(run)}")

    def _start(self, run: Run, slot: int) -> _Started:
        page = self._folder / "configs" / f"{run.name}.py"
        log = self._log(run)
        for path in (page, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(page, recipes.page(run.config, f"{run.name}, as jdnet_jax.compare runs it."))
        command = [sys.executable, "-m", "jdnet_jax.main", f"--config={page}", f"--workdir={run.place.path}"]
        with open(log, "ab") as file:
            # In a separate session: Ctrl-C reaches this process alone, which passes it on once. A second one would
            # end a training without saving.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **children.ending_with_this(),
            )
        if self._cores:
            cores = sorted(os.sched_getaffinity(0))[slot * self._cores : (slot + 1) * self._cores]
            os.sched_setaffinity(process.pid, cores)
        return _Started(run, process, time.monotonic(), slot)

    def _collect(self, running: list[_Started], finished: set[str]) -> None:
        for started in list(running):
            status = started.process.poll()
            if status is None:
                continue
            running.remove(started)
            run, took = started.run, duration(time.monotonic() - started.began)
            summary = run.place.finished() if status == 0 else None
            if summary is not None:
                finished.add(run.name)
                test = summary["student"]["test"]
                top1 = intervals.share(test["top1"], test["count"])
                self._say(f"{self._title[run.name]}: test top-1 {top1}, after {took}")
            elif status == EXIT_STATUS:
                self.failed[run.name] = "interrupted"
                self._say(f"{self._title[run.name]}: interrupted after {took}; the same command continues it")
            else:
                self.failed[run.name] = f"status {status}: {_last_line(self._log(run))}"
                self._say(f"{self._title[run.name]}: failed with {self.failed[run.name]}")

    def _log(self, run: Run) -> Path:
        return self._folder / "logs" / f"{run.name}.log"

    @contextmanager
    def _listening(self, running: list[_Started]) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            if not self._interrupted:
                self._interrupted = True
                for started in running:  # first, because the terminal may be closed
                    started.end()
                self._say(f"{signal.Signals(number).name}: ending {len(running)} runs, which save where they are")

        before = {
            number: signal.signal(number, stop)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup has it
        }
        try:
            yield
        finally:
            for started in running:  # only after an error in this function
                started.end()
            for number, handler in before.items():
                signal.signal(number, handler)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
