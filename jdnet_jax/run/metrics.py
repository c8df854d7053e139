"""Writers and readers of a run's figures: TensorBoard events and `metrics.jsonl`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from clu import metric_writers

from jdnet_jax.figures.classification import Result
from jdnet_jax.files import atomic, user_files
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

_LARGEST = 2**32  # bytes of a file
_LARGEST_FIGURE = 1e300


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
    """The writer of a run, a context manager: at its end everything is on disk, even after an error.

    On processes other than the first it writes nothing.

    Raises:
        UserError: a file could not be written; names the folder.
    """

    def __init__(
        self,
        json_lines: Path,
        tensorboard: Path,
        *,
        is_writer: bool,
        others: Sequence[metric_writers.MetricWriter] = (),
    ):
        """Opens the files: TensorBoard events in the folder `tensorboard`, one line a step in `json_lines`.

        Args:
            json_lines: the file.
            tensorboard: the folder.
            is_writer: whether this process writes.
            others: more writers of the same scalars.
        """
        self._folder = json_lines.parent
        with self._failures():
            writers = [JsonLinesWriter(json_lines), metric_writers.SummaryWriter(str(tensorboard))] if is_writer else []
        self._writer = metric_writers.MultiWriter([*writers, *others])

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
        UserError: it cannot be read, or another line is damaged.
    """
    return [line for _, line in _lines(path)]


def _lines(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """The complete lines, each as text and parsed."""
    try:
        texts = user_files.read_bytes(path, _LARGEST).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): put back a copy") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _damaged(path, number, str(error)) from error
        if not isinstance(line, dict) or not _is_whole(line.get("step")):
            raise _damaged(path, number, "it is of no step")
        if not all(value is None or isinstance(value, (int, float)) for value in line.values()):
            raise _damaged(path, number, "it holds more than numbers")
        if not all(value is None or abs(value) <= _LARGEST_FIGURE for value in line.values()):
            raise _damaged(path, number, "it holds a number that is not finite")
        lines.append((text, line))
    return lines


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _damaged(path: Path, number: int, reason: str) -> UserError:
    return UserError(
        f"{path}: line {number} is damaged ({reason}): put back a copy, or delete the file to go on without its metrics"
    )


def digest(path: Path) -> str:
    """SHA-256 of the lines, kept in checkpoints so that a resumed run recognises them."""
    return _digest(text for text, _ in _lines(path))


def _digest(texts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(text + b"\n" for text in texts)).hexdigest()


def rewind(path: Path, step: int, expected: str | None = None) -> None:
    """Drops the lines after `step`, which a resumed run writes again.

    Args:
        path: path of the file.
        step: step of the checkpoint that the run goes on from; -1 where there is none.
        expected: the `digest` of the lines up to `step`; None where the checkpoint is of an earlier version.

    Raises:
        UserError: a line is damaged, or the lines up to there are not those that were written.
    """
    if not path.exists():
        if expected not in (None, _digest(())):
            say(f"note: {path} is not there: the run goes on, and its figures up to step {step} are lost")
        return
    kept = [text for text, line in _lines(path) if line["step"] <= step]
    if expected is not None and _digest(kept) != expected:
        raise UserError(
            f"{path} does not hold the lines that were written up to step {step}: put back a copy, or delete it to go "
            "on without them"
        )
    atomic.write_bytes(path, b"".join(text + b"\n" for text in kept))


def means(window: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The means of the metrics of several steps, and how many of them were skipped.

    Skipped steps, whose figures are not finite, do not count, unless all were skipped.
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
        if key not in ("count", "top1_interval")
    }


def median_throughput(path: Path) -> float | None:
    """Median of the logged training images a second, over all starts of the run; None where none was logged."""
    rates = [line["images_per_second"] for line in read(path) if line.get("images_per_second")]
    return statistics.median(rates) if rates else None
