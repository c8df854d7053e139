"""The folder of a run: paths of its files, and checks of its owner."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config import teachers_first
from jdnet_jax.config.defaults import default, differences, filled
from jdnet_jax.files import atomic, checksums, json_file, plain_path, user_files
from jdnet_jax.files.json_file import NUMBER, Each
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

# Keys that may change between two starts of one run: they change nothing of what was trained so far. Where the data
# lies is one of them, because `claim_data` compares the data itself; so is what to do about a number that is not
# finite, for a run that stopped there.
_FREE = (
    "dataset.data_dir",
    "dataset.unlabelled",
    "log_every",
    "eval_batch_size",
    "keep_checkpoints",
    "keep_every",
    "on_non_finite",
    "max_skips",
    "max_roll_backs",
    "not_sure",
    "snapshots",
    "gradient_report",
    "probe",
    "wandb",
)

# What report, comparison and a run's closing message need.
_SCORES = {"top1": NUMBER, "top5": NUMBER, "macro_f1": NUMBER, "count": int}
_NETWORK = {"model": str, "params": int, "multiply_adds?": (int, NoneType), "val": _SCORES, "test": _SCORES}
_ERRORS = {"ece_before": NUMBER, "ece_after": NUMBER}
_TURNED_AWAY = {"count": int, "turned_away": int, "right_turned_away": int, "top1": (*NUMBER, NoneType)}
_SUMMARY = {
    "recipe": str,
    "dataset": str,
    "protocol": str,
    "step": (int, NoneType),
    "steps": int,
    "seed": int,
    "images_per_second": (*NUMBER, NoneType),
    "student": {
        **_NETWORK,
        "calibration?": {"temperature": NUMBER, "val": _ERRORS, "test": _ERRORS},
        "not_sure?": {"below": NUMBER, "share": NUMBER, "fitted_on": int, "val": _TURNED_AWAY, "test": _TURNED_AWAY},
    },
    "teachers": Each(_NETWORK),
    "ended_early?": {"step": int, "why": str},
    "imbalance?": {"largest": str, "most": int, "smallest": str, "fewest": int},
    "ensemble?": {"teachers": list, "params": int, "val": _SCORES, "test": _SCORES},
}
_CONFIG = {
    "recipe": str,
    "seed": int,
    "steps": int,
    "epochs": NUMBER,
    "batch_size": int,
    "dataset": {"name": str, "splits": {"train": str, "val": str, "test": str}, "options": dict},
    "teachers": Each(dict),
}
#: What to do where the test results of a finished run are damaged.
TEST_ANEW = "delete summary.json and run the same command, which tests the networks again"


def check_name(name: str) -> str:
    """Checks the name of a workdir, and returns it.

    Raises:
        UserError: it is an address, which would become a folder here of that name, or no checkpoint can lie there.
    """
    if "://" in name:
        raise UserError(
            f"--workdir={name} is an address and must be a folder: mount the bucket, or copy the folder to it from "
            "time to time, as colab/jdnet_food101_tpu.ipynb does"
        )
    plain_path.check(user_files.expanded(name))
    return name


class Workdir:
    """Paths inside the folder of a run."""

    def __init__(self, path: str | Path):
        self.path = user_files.expanded(path)
        self.config = self.path / "config.json"
        self.data = self.path / "data.json"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.student = self.path / "student"
        self.teachers = self.path / "teachers"  # runs of the teachers that are trained first, by name
        self.summary = self.path / "summary.json"
        self.command = self.path / "command.txt"
        self.snapshots = self.path / "snapshots"
        self.evaluation = self.path / "evaluation.npz"
        self.mistakes = self.path / "mistakes.csv"
        self.report = self.path / "report.html"

    def claim(self, config: ConfigDict) -> None:
        """Creates the folder and writes `config.json`, or checks that the folder belongs to this config.

        The caller must hold it (`held`). The config of a resumed run must be the same, except for keys that may change,
        such as the data's path, whose new values are written. A finished run does not change.

        Raises:
            UserError: the folder belongs to another config, cannot be made, or files of it are damaged.
        """
        ours = plain(config)
        self.finished()
        if self.config.exists():
            theirs = json_file.read(
                self.config, dict, "put back a copy, or delete it to go on with the config as it is now"
            )
            # A key that a run of an earlier version lacks has its default, which does what that version did.
            before = filled(theirs, plain(default()))
            changed = [
                key
                for key in differences(teachers_first.acting(ours), teachers_first.acting(before))
                if key not in _FREE
            ]
            if changed and self._trained():
                raise UserError(
                    f"--workdir={self.path} belongs to a run of another config, which differs in {', '.join(changed)}: "
                    "choose another --workdir, or the same config to continue that run"
                )
            if ours == theirs or self.summary.exists():
                return
        elif self._trained():
            say(f"note: {self.config} is not there: the run goes on with the config as it is now")
        self._make()
        atomic.write_text(self.config, json.dumps(ours, indent=2) + "\n")

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--workdir={self.path} cannot be made ({error.strerror}): choose another") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Creates the folder and keeps other processes from training in it until this process ends, however it ends.

        On a file system without locks, such as some mounted ones, this has no effect.

        Raises:
            UserError: another process trains in it, or it cannot be made.
        """
        self._make()
        folder = os.open(self.path, os.O_RDONLY)
        try:
            if not _locked(folder):
                raise UserError(f"--workdir={self.path}: another process is training there: let it end, or stop it")
            yield
        finally:
            os.close(folder)

    def is_held(self) -> bool:
        """Whether a process trains in the folder right now."""
        try:
            folder = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            return not _locked(folder)
        finally:
            os.close(folder)

    def claim_data(self, protocol: str) -> None:
        """Writes `data.json`, or checks that the run began on the same data.

        Args:
            protocol: protocol of the dataset: its version or digest, its splits and their sizes.

        Raises:
            UserError: the run began on other data, or `data.json` is damaged.
        """
        if self._trained() and self.data.exists():
            before = self.protocol("put back a copy, or delete it to go on with the data as they are now")
            if before != protocol:
                raise UserError(
                    f"--workdir={self.path} belongs to a run on other data ({before}) than is there now ({protocol}): "
                    "give back that data to continue the run, or choose another --workdir"
                )
        elif self._trained():
            say(f"note: {self.data} is not there: the run goes on with the data as they are now")
        atomic.write_text(self.data, json.dumps({"protocol": protocol}, ensure_ascii=False) + "\n")

    def protocol(self, remedy: str) -> str:
        """The description of the data in `data.json`; '' if there is no file.

        Args:
            remedy: what to do where it is damaged, for the message.

        Raises:
            UserError: it is damaged.
        """
        return json_file.read(self.data, {"protocol": str}, remedy)["protocol"] if self.data.exists() else ""

    def read_config(self, remedy: str) -> dict[str, Any]:
        """The content of `config.json`.

        Args:
            remedy: what to do where it is damaged, for the message.

        Raises:
            UserError: it is not there, or damaged.
        """
        return json_file.read(self.config, _CONFIG, remedy)

    def dataset_config(self) -> ConfigDict:
        """The section `dataset` of the run's config, changed for a single reading: nothing is cached.

        Raises:
            UserError: `config.json` is not there or damaged, or files of the finished run are.
        """
        self.finished()
        section = self.read_config("put back a copy, or name the dataset with --config")["dataset"]
        options = {key: tuple(v) if isinstance(v, list) else v for key, v in section["options"].items()}
        return ConfigDict({**section, "options": options, "cache": False})

    def _trained(self) -> bool:
        # A start that failed before its first checkpoint left nothing to guard: the corrected command may follow.
        return self.summary.exists() or (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))

    def has_checkpoint(self) -> bool:
        """Whether the run has saved a step."""
        return self.checkpoints.is_dir() and any(folder.name.isdecimal() for folder in self.checkpoints.iterdir())

    def finished(self) -> dict[str, Any] | None:
        """The run's `summary.json`, which is written last; None while the run is not finished.

        Raises:
            UserError: it is damaged, or another file of the run is not as the run left it.
        """
        sums = self.path / checksums.NAME
        if not self.summary.exists():
            if sums.exists():
                say(f"note: {self.summary} is not there: the command of the run tests the networks again and writes it")
            return None
        if not sums.exists():
            _tell_unchecked(sums)
        elif (damage := checksums.damage(self.path, exact=False)) is not None:
            anew = damage.partition(" ")[0] in (self.summary.name, self.evaluation.name)
            raise UserError(
                f"{self.path} has changed since the run ended ({damage}): put back a copy"
                + (f", or {TEST_ANEW}" if anew else "")
                + f"; if it was changed on purpose, delete {sums}"
            )
        return json_file.read(self.summary, _SUMMARY, TEST_ANEW)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Writes the checksums of all results, then `summary.json`.

        Raises:
            UserError: they could not be written.
        """
        text = json.dumps(summary, indent=2) + "\n"
        # The table of mistakes is for spreadsheets, which write it anew; `evaluation.npz` has all that it says.
        files = (self.config, self.data, self.metrics, self.evaluation, self.command, *self.snapshots.glob("*.npz"))
        names = [file.relative_to(self.path).as_posix() for file in files if file.exists()]
        try:
            checksums.write(self.path, names, coming={self.summary.name: text.encode()})
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read ({error.strerror}): run the command again") from error
        atomic.write_text(self.summary, text)


@functools.cache
def _tell_unchecked(sums: Path) -> None:
    say(
        f"note: there is no {sums}, which earlier versions did not write: whether the run's files have "
        "changed since cannot be checked"
    )


def _locked(folder: int) -> bool:
    """Locks an open folder; False if another process holds the lock."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def text_of(config: ConfigDict, but: str) -> str:
    """A config without one of its keys, as text that is equal for equal values."""
    rest = config.copy_and_resolve_references()
    section, _, key = but.rpartition(".")
    with (rest[section] if section else rest).unlocked() as owner:
        del owner[key]
    return json.dumps(plain(rest), sort_keys=True)


def plain(config: ConfigDict) -> dict[str, Any]:
    """A config as plain data for JSON: dictionaries, and lists for tuples."""
    return json.loads(config.to_json_best_effort())
