"""Where the figures of a run go: TensorBoard events and `metrics.jsonl`."""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from clu import metric_writers

from jdnet_jax.figures.classification import Result
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError


class JsonLinesWriter(metric_writers.MetricWriter):
    """Appends one JSON object for each step at which scalars were written: `{"step": 120, "loss/total": 1.5, ...}`.

    Scalars of one step that are written in several calls end in one line. All but scalars is left to TensorBoard.
    """

    def __init__(self, path: Path):
        self._path = path
        self._step: int | None = None
        self._values: dict[str, float] = {}

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Adds scalars to the line of `step`; the line of an earlier step is written out."""
        if step != self._step:
            self.flush()
            self._step = step
        self._values.update({name: float(np.asarray(value)) for name, value in scalars.items()})

    def flush(self) -> None:
        """Writes out the pending line."""
        if self._step is not None:
            finite = {name: value if math.isfinite(value) else None for name, value in self._values.items()}
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self._step, **finite}) + "\n")
        self._step, self._values = None, {}

    def close(self) -> None:
        """Writes out the pending line."""
        self.flush()

    def write_summaries(self, step, values, metadata=None) -> None:
        """Left to TensorBoard."""

    def write_images(self, step, images) -> None:
        """Left to TensorBoard."""

    def write_videos(self, step, videos) -> None:
        """Left to TensorBoard."""

    def write_audios(self, step, audios, *, sample_rate) -> None:
        """Left to TensorBoard."""

    def write_texts(self, step, texts) -> None:
        """Left to TensorBoard."""

    def write_histograms(self, step, arrays, num_buckets=None) -> None:
        """Left to TensorBoard."""

    def write_pointcloud(self, step, point_clouds, *, point_colors=None, configs=None) -> None:
        """Left to TensorBoard."""

    def write_hparams(self, hparams) -> None:
        """Left to TensorBoard."""


class RunWriter:
    """The writer of a run, a context manager: what was written is on disk when it is left, by an error too.

    On processes other than the first it writes nothing.

    Raises:
        UserError: a file could not be written; names the folder.
    """

    def __init__(self, json_lines: Path, tensorboard: Path, *, is_writer: bool):
        """Opens the files: TensorBoard events in the folder `tensorboard`, one line a step in `json_lines`."""
        self._folder = json_lines.parent
        with self._failures():
            writers = [JsonLinesWriter(json_lines), metric_writers.SummaryWriter(str(tensorboard))] if is_writer else []
        self._writer = metric_writers.MultiWriter(writers)

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Adds scalars to those of `step`."""
        with self._failures():
            self._writer.write_scalars(step, scalars)

    def flush(self) -> None:
        """Returns once everything is on disk; the line of the last step is ended."""
        with self._failures():
            self._writer.flush()

    def __enter__(self) -> RunWriter:
        """Returns itself."""
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Writes out what is pending; a failure to do so does not hide the error that ends the run."""
        with contextlib.suppress(UserError) if error is not None else contextlib.nullcontext(), self._failures():
            self._writer.close()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error.message).splitlines()[0][:200]
            raise UserError(
                f"metrics could not be written in {self._folder} ({reason}): make room there and run the same command "
                "to continue"
            ) from error


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a `metrics.jsonl`; a last line that a crash cut off is left out.

    Raises:
        UserError: another line is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            found += [json.loads(line)] if line else []
        except ValueError as error:
            raise UserError(f"{path}: line {number} is damaged ({error}): remove it and start again") from error
    return found


def rewind(path: Path, step: int) -> None:
    """Drops the lines after `step`, which a resumed run writes again."""
    if path.exists():
        kept = [line for line in read(path) if line["step"] <= step]
        atomic.write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


def means(window: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The means of the metrics of several steps, and how many of them were skipped.

    The figures of a step that was left out are not numbers; where all were, they are all there is.
    """
    taken = [values for values in window if not values.get("skipped")] or window
    averages = {key: float(np.mean([values[key] for values in taken])) for key in window[0]}
    if "skipped" in averages:
        averages["skipped"] = float(sum(values["skipped"] for values in window))
    return averages


def of_results(role: str, results: Mapping[str, Result]) -> dict[str, float]:
    """The scalars `<role>/<network>/<figure>` of an evaluation."""
    summaries = {name: result.summary() for name, result in results.items()}
    return {
        f"{role}/{n}/{key}": value
        for n, summary in summaries.items()
        for key, value in summary.items()
        if key != "count"
    }


def median_throughput(path: Path) -> float | None:
    """Median of the logged training images a second, over all starts of the run; None where none was logged."""
    rates = [line["images_per_second"] for line in read(path) if line.get("images_per_second")]
    return statistics.median(rates) if rates else None
