"""The record of a run for the report: the content of a workdir, of a finished or unfinished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.files import array_file, user_files
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.process.errors import UserError
from jdnet_jax.run import metrics, snapshots
from jdnet_jax.run.workdir import TEST_ANEW, Workdir


@dataclass(frozen=True)
class RunRecord:
    """The record of a run so far.

    Attributes:
        path: path of the workdir.
        config: the content of `config.json`.
        protocol: one line that says which data; '' before they are prepared.
        command: the command that repeats the run; '' where it was started from Python.
        lines: lines of `metrics.jsonl`.
        summary: the content of `summary.json`; None while the run is not finished.
        classes: names of the classes; () while the run is not finished.
        evaluation: the arrays of `evaluation.npz`; empty while the run is not finished.
        photos: `image`, `label` and `name` of the photos that are followed; empty where there are none.
        snapshots: step -> arrays, see `snapshots`.
    """

    path: Path
    config: Mapping[str, Any]
    protocol: str
    command: str
    lines: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any] | None
    classes: tuple[str, ...]
    evaluation: Mapping[str, np.ndarray]
    photos: Mapping[str, np.ndarray]
    snapshots: Mapping[int, Mapping[str, np.ndarray]]

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, the student first."""
        return (STUDENT, *self.config["teachers"])

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of a figure in `metrics.jsonl`, where it was logged and is a number."""
        points = [(line["step"], line[key]) for line in self.lines if line.get(key) is not None]
        return [step for step, _ in points], [value for _, value in points]

    def keys(self, prefix: str) -> list[str]:
        """Names of the figures with a prefix, sorted."""
        return sorted({key for line in self.lines for key in line if key.startswith(prefix)})


def read(place: Workdir) -> RunRecord:
    """Reads a workdir; what is not there yet is left out.

    Raises:
        UserError: it is no workdir, or a file of it is damaged.
    """
    if not place.config.is_file() and not place.summary.exists():
        raise UserError(f"--workdir={place.path} is not the folder of a run: it has no {place.config.name}")
    summary = place.finished()
    photos, at_steps = snapshots.read(place.snapshots)
    classes: tuple[str, ...] = ()
    if summary is not None and (place.student / model_card.FILE_NAME).exists():
        classes = sums.checked_card(place.student).classes
    remedy = "put back a copy"
    return RunRecord(
        path=place.path,
        config=place.read_config(remedy),
        protocol=place.protocol(remedy),
        command=_command(place.command),
        lines=metrics.read(place.metrics),
        summary=summary,
        classes=classes,
        evaluation=array_file.read(place.evaluation, TEST_ANEW) if summary is not None else {},
        photos=photos,
        snapshots=at_steps,
    )


def _command(path: Path) -> str:
    try:
        return user_files.read_bytes(path, user_files.MAX_TEXT).decode("utf-8").strip() if path.exists() else ""
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path} is not text: put back a copy, or delete it to go on without it") from error
