"""Checkpoints of a run, with Orbax: the newest and the best on val; written aside and renamed, in the background."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging
from orbax.checkpoint import checkpoint_managers as policies

from jdnet_jax.errors import UserError
from jdnet_jax.state import TrainState

_METRIC = "val_top1"


class Checkpoints:
    """The folder `checkpoints/` of a workdir."""

    def __init__(self, directory: Path, keep: int):
        """Opens or makes the folder.

        Args:
            directory: where the checkpoints lie, one subfolder a step.
            keep: how many of the newest are kept; the best on val is kept beside them.
        """
        self.directory = directory
        preservation = policies.AnyPreservationPolicy(
            [
                policies.LatestN(keep),
                policies.BestN(get_metric_fn=lambda m: m[_METRIC], n=1, keep_checkpoints_without_metrics=False),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda m: m[_METRIC],  # without it the metrics are not written to disk
            preservation_policy=preservation,
            cleanup_tmp_directories=True,
        )
        with self._failures("open"):
            self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def save(self, state: TrainState, val_top1: float | None) -> None:
        """Starts writing a checkpoint of this state; an earlier save that failed is reported here.

        Args:
            state: every leaf a `jax.Array`; it is copied before this returns.
            val_top1: the student's accuracy on val at this step in [0, 1]; None where it was not evaluated.

        Raises:
            UserError: this or an earlier checkpoint could not be written.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        metrics = None if val_top1 is None else {_METRIC: val_top1}
        with self._failures(f"save step {step}"):
            self._manager.save(step, args=ocp.args.StandardSave(state), metrics=metrics)

    def wait(self) -> None:
        """Returns once everything is on disk.

        Raises:
            UserError: a checkpoint could not be written.
        """
        with self._failures("finish a save"):
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def latest_step(self) -> int | None:
        """The newest complete checkpoint's step, None where there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The step best on val among the kept ones, the later of equals; the newest where none was evaluated."""
        scored = []
        for step in self._manager.all_steps():
            metrics = self._manager.metrics(step)
            if metrics is not None:
                scored.append((metrics[_METRIC], step))
        return max(scored)[1] if scored else self.latest_step()

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state saved at `step`, with the shapes, dtypes and placement of `like`.

        Raises:
            UserError: the checkpoint does not fit `like` or cannot be read.
        """
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        try:
            return self._manager.restore(step, args=ocp.args.StandardRestore(target))
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise UserError(
                f"checkpoint {self.directory / str(step)} cannot be restored ({_reason(error)}): "
                "delete that folder to go on from an older one, or choose another --workdir"
            ) from error

    def close(self) -> None:
        """Waits for pending writes and releases the folder."""
        with self._failures("finish a save"):
            self._manager.close()

    def _failures(self, action: str) -> Any:
        return _Failures(self, action)

    def last_good(self) -> str:
        """A phrase that names the newest complete checkpoint, for messages."""
        steps = sorted(self._complete_steps())
        return (
            f"the last good checkpoint is {self.directory / str(steps[-1])}" if steps else "there is no checkpoint yet"
        )

    def _complete_steps(self) -> list[int]:
        # Read from disk: after a failed save the manager may still list a step that was never finished.
        if not self.directory.is_dir():
            return []
        return [int(path.name) for path in self.directory.iterdir() if path.name.isdigit()]


class _Failures:
    """Turns a failure to write into one line that says what is still good."""

    def __init__(self, checkpoints: Checkpoints, action: str):
        self.checkpoints, self.action = checkpoints, action

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError)):
            logging.debug("checkpoint failure", exc_info=error)
            raise UserError(
                f"checkpoints: could not {self.action} in {self.checkpoints.directory} ({_reason(error)}); "
                f"{self.checkpoints.last_good()}: make room there and run the same command to continue"
            ) from error


# What the operating system says when it refuses a write; Orbax buries it in pages of its own.
_REFUSALS = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)))


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    refusal = next((known for known in _REFUSALS if known in text), None)
    return refusal or (text.splitlines()[0][:300] if text else type(error).__name__)
