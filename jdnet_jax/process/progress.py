"""The progress of a run on the screen: step, accuracy, speed, time left, and signs of life."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from jdnet_jax.process.printable import lines, printable

SIGN_OF_LIFE = 30.0  # seconds between the lines of work that takes long


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, s = divmod(max(0, round(seconds)), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


def say(text: str) -> None:
    """Prints one line to standard error at once: what the user waits for, before there is a run to report on."""
    _print(printable(text), sys.stderr)


def show(text: str) -> None:
    """Prints what the user asked for to standard output at once: one line or more."""
    _print(lines(text), sys.stdout)


def _print(text: str, out: TextIO) -> None:
    # In one piece: `print` writes the line's end separately, and another thread's line can come between.
    out.write(f"{text}\n")
    out.flush()


def first_compiles(step: Callable[..., Any], now: Callable[[str], None], work: str) -> Callable[..., Any]:
    """A step that reports its compilation at the first call by `now` (see `Progress.alive`), afterwards `work`."""
    called = False

    def told(*args: Any) -> Any:
        nonlocal called
        if called:
            return step(*args)
        now("compiling")
        called, result = True, step(*args)
        now(work)
        return result

    return told


class Progress:
    """Prints lines to standard error and measures throughput between them, pauses left out."""

    def __init__(self, total_steps: int, batch_size: int, out: TextIO | None = None):
        """Sets the run's length; measuring begins with `restart_clock`.

        Args:
            total_steps: length of the run.
            batch_size: images a step, over all devices.
            out: where the lines go; standard error by default.
        """
        self._out = out or sys.stderr
        self._total, self._batch_size = total_steps, batch_size
        self._mark = 0
        self._started = time.monotonic()
        self._paused = 0.0
        # Seconds and steps that count for the ETA: all but the first window, which holds the compilation.
        self._seconds, self._steps = 0.0, 0
        self._warm = False
        self._eta_told = float("-inf")  # when

    def say(self, text: str) -> None:
        """Prints one line."""
        _print(printable(text), self._out)

    @contextlib.contextmanager
    def alive(self, work: str, every: float = SIGN_OF_LIFE) -> Iterator[Callable[[str], None]]:
        """While the block runs, regularly prints `still <work> after 0:30`.

        Yields a function that renames the current work.
        """
        began, done = time.monotonic(), threading.Event()

        def now(other: str) -> None:
            nonlocal work
            work = other

        def beat() -> None:
            while not done.wait(every):
                self.say(f"still {work} after {duration(time.monotonic() - began)}")

        thread = threading.Thread(target=beat, name="signs of life", daemon=True)
        thread.start()
        try:
            yield now
        finally:
            done.set()
            thread.join()

    def pause(self, seconds: float) -> None:
        """Leaves time spent on evaluation or saving out of the throughput."""
        self._paused += seconds

    def restart_clock(self, step: int) -> None:
        """Begins the first window that counts, at `step`, after the compilation."""
        self._mark, self._started, self._paused = step, time.monotonic(), 0.0
        self._warm = True

    def rate(self, step: int) -> float | None:
        """Images a second since the last call; None for an empty window. Begins the next window."""
        steps, seconds = step - self._mark, time.monotonic() - self._started - self._paused
        self._mark, self._started, self._paused = step, time.monotonic(), 0.0
        if not self._warm or steps <= 0 or seconds <= 0:
            return None
        self._seconds += seconds
        self._steps += steps
        return steps * self._batch_size / seconds

    def line(self, step: int, metrics: Mapping[str, float], rate: float | None) -> None:
        """Prints `step 120/600 (20%)  loss 1.234  on train: student 54.3%  teacher 61.0%  92 images/s  ETA 1:32`."""
        parts = [f"step {step}/{self._total} ({step / self._total:.0%})", f"loss {metrics['loss/total']:.3f}"]
        accuracies = [
            f"{name.removeprefix('accuracy/')} {value:.1%}"
            for name, value in metrics.items()
            if name.startswith("accuracy/")
        ]
        if accuracies:
            parts.append(f"on train: {'  '.join(accuracies)}")
        if rate is not None:
            parts.append(f"{rate:.{0 if rate >= 10 else 1}f} images/s")
        if self._steps:
            parts.append(self._eta(step, self._seconds / self._steps))
        self.say("  ".join(parts))

    def tick(self, step: int) -> None:
        """Prints `step 2/600 (0%)  ETA 9:58` if no line was printed yet, or none for `SIGN_OF_LIFE`.

        Args:
            step: the last step that the devices have finished.
        """
        steps, now = self._steps + step - self._mark, time.monotonic()
        if not self._warm or steps <= 0 or now - self._eta_told < SIGN_OF_LIFE:
            return
        seconds = self._seconds + now - self._started - self._paused
        self.say(f"step {step}/{self._total} ({step / self._total:.0%})  {self._eta(step, seconds / steps)}")

    def _eta(self, step: int, seconds: float) -> str:
        self._eta_told = time.monotonic()
        return f"ETA {duration((self._total - step) * seconds)}"
