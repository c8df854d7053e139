"""The folder of a run: what lies where, and whose it is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jdnet_jax.config.defaults import differences
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError

# Keys that may change between two starts of one run: they change nothing of what was trained so far. Where the data
# lies is one of them, because `claim_data` compares the data itself; so is what to do about a number that is not
# finite, for a run that stopped there.
_FREE = (
    "dataset.data_dir",
    "log_every",
    "eval_batch_size",
    "keep_checkpoints",
    "keep_every",
    "on_non_finite",
    "max_skips",
    "max_roll_backs",
    "snapshots",
)


def check_name(name: str) -> str:
    """The name of a workdir, as it is.

    Raises:
        UserError: it is an address, which would become a folder here of that name.
    """
    if "://" in name:
        raise UserError(
            f"--workdir={name} is an address and must be a folder: mount the bucket, or copy the folder to it from "
            "time to time, as colab/jdnet_food101_tpu.ipynb does"
        )
    return name


class Workdir:
    """Paths inside the folder of a run."""

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        self.config = self.path / "config.json"
        self.data = self.path / "data.json"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.student = self.path / "student"
        self.summary = self.path / "summary.json"
        self.command = self.path / "command.txt"
        self.snapshots = self.path / "snapshots"
        self.evaluation = self.path / "evaluation.npz"
        self.report = self.path / "report.html"

    def claim(self, config: ConfigDict) -> None:
        """Makes the folder and writes `config.json`, or checks that the folder is of this very config.

        For whoever holds it (`held`): of a run that goes on the config must stay. Keys that are free to change, such as
        where the data lies, are written as they are now.

        Raises:
            UserError: the folder belongs to another config, cannot be made, or `config.json` is damaged.
        """
        ours = plain(config)
        if self.config.exists():
            try:
                theirs = json.loads(self.config.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise UserError(f"{self.config} cannot be read ({error}): choose another --workdir") from error
            changed = [key for key in differences(ours, theirs) if key not in _FREE]
            if changed and self._trained():
                raise UserError(
                    f"--workdir={self.path} belongs to a run of another config, which differs in {', '.join(changed)}: "
                    "choose another --workdir, or the same config to continue that run"
                )
            if ours == theirs:
                return
        self._make()
        atomic.write_text(self.config, json.dumps(ours, indent=2) + "\n")

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--workdir={self.path} cannot be made ({error.strerror}): choose another") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Makes the folder and keeps other processes from training in it, until the process ends, however that comes.

        A file system without locks, as some that are mounted from elsewhere, keeps nobody.

        Raises:
            UserError: another process trains in it, or it cannot be made.
        """
        self._make()
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise UserError(
                f"--workdir={self.path}: another process is training there: let it end, or stop it"
            ) from None
        except OSError:
            pass
        try:
            yield
        finally:
            os.close(folder)

    def claim_data(self, protocol: str) -> None:
        """Writes `data.json`, or checks that the run began on this very data.

        Args:
            protocol: of the dataset: its version or digest, its splits and their sizes.

        Raises:
            UserError: the run began on other data, or `data.json` is damaged.
        """
        if self._trained() and self.data.exists():
            try:
                before = json.loads(self.data.read_text(encoding="utf-8"))["protocol"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.data} cannot be read ({error}): choose another --workdir") from error
            if before != protocol:
                raise UserError(
                    f"--workdir={self.path} belongs to a run on other data ({before}) than is there now ({protocol}): "
                    "give back that data to continue the run, or choose another --workdir"
                )
        atomic.write_text(self.data, json.dumps({"protocol": protocol}, ensure_ascii=False) + "\n")

    def dataset_config(self) -> ConfigDict:
        """The section `dataset` of the run's config, for whoever reads the data once: nothing of it is cached.

        Raises:
            UserError: `config.json` is not there or damaged.
        """
        try:
            section = json.loads(self.config.read_text(encoding="utf-8"))["dataset"]
            options = {key: tuple(v) if isinstance(v, list) else v for key, v in section["options"].items()}
            return ConfigDict({**section, "options": options, "cache": False})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{self.config} cannot be read ({error}): name the dataset with --config") from error

    def _trained(self) -> bool:
        # A start that failed before its first checkpoint left nothing to guard: the corrected command may follow.
        return self.summary.exists() or (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))

    def finished(self) -> dict[str, Any] | None:
        """The run's `summary.json`, which is written last; None while the run is not finished."""
        if not self.summary.exists():
            return None
        return json.loads(self.summary.read_text(encoding="utf-8"))


def text_of(config: ConfigDict, but: str) -> str:
    """A config without one of its keys, as text that is the same where the values are."""
    rest = config.copy_and_resolve_references()
    section, _, key = but.rpartition(".")
    with (rest[section] if section else rest).unlocked() as owner:
        del owner[key]
    return json.dumps(plain(rest), sort_keys=True)


def plain(config: ConfigDict) -> dict[str, Any]:
    """A config as JSON holds it: plain dictionaries, lists for tuples."""
    return json.loads(config.to_json_best_effort())
