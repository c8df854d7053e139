"""Checkpoints of a run, with Orbax: the newest, the best on val and every K steps; written aside, in the background.

A checkpoint holds the SHA-256 of each of its files (`checksums`), one of which names its step. They are written before
the folder gets its name, so a folder with a step as its name was complete once, and a file that differs from the list
was damaged since; a copy under the name of another step is noticed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging
from orbax.checkpoint import checkpoint_managers as policies

from jdnet_jax.files import atomic, checksums
from jdnet_jax.files.plain_path import LiteralPath
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process import together
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

_METRIC = "val_top1"
_STATE = "default/"  # where Orbax puts the state inside a step's folder
_MANIFEST = "manifest.ocdbt"  # of the state; Orbax writes it last
_STEP = "STEP"  # the file that names the step
_STEP_NAME = re.compile("0|[1-9][0-9]*", re.ASCII)


class _SealedPath(ocp.path.atomicity.AtomicRenameTemporaryPath):
    """A step's folder during writing: it gets its name only when the checksums of its finished files are in it.

    Orbax finishes it under a temporary name; after a kill, the next start removes it.
    """

    @classmethod
    def from_final(cls, final_path, **options):
        unsealed = final_path.with_name(f"{final_path.name}.unsealed{ocp.path.atomicity.TMP_DIR_SUFFIX}")
        return super().from_final(unsealed, **options)

    def get_final(self):
        unsealed = super().get_final()
        return unsealed.with_name(unsealed.name.partition(".")[0])

    async def finalize(self):
        await super().finalize()
        unsealed, final = Path(super().get_final()), Path(self.get_final())
        if _STEP_NAME.fullmatch(final.name):  # else it is a folder inside of one
            await asyncio.to_thread(_seal, unsealed, final.name)
        unsealed.rename(final)


def _seal(folder: Path, step: str) -> None:
    if not (folder / _STATE / _MANIFEST).is_file():
        raise ValueError(f"Orbax wrote no {_MANIFEST}")
    atomic.write_text(folder / _STEP, f"{step}\n")
    checksums.write(folder)


class Checkpoints:
    """The folder `checkpoints/` of a workdir."""

    def __init__(self, directory: Path, keep: int, keep_every: int = 0, frozen: Collection[str] = ()):
        """Opens or creates the folder; reports damaged checkpoints newer than the newest good one, and sets them aside.

        Args:
            directory: where the checkpoints lie, one subfolder a step.
            keep: number of the newest checkpoints that are kept, in addition to the best on val.
            keep_every: checkpoints at multiples of this number of steps are kept as well; 0 = none.
            frozen: networks whose parameters never change; they are left out, and `restore` takes them from `like`.

        Raises:
            UserError: there are checkpoints, but none is good; or the folder cannot be used.
        """
        self.directory, self._frozen = directory, frozen
        self._pending: tuple[TrainState, Callable[[], None]] | None = None  # the save that goes on: what, and how
        kept = [
            policies.LatestN(keep),
            policies.BestN(get_metric_fn=lambda m: m[_METRIC], n=1, keep_checkpoints_without_metrics=False),
            *([policies.EveryNSteps(keep_every)] if keep_every else []),
        ]
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda m: m[_METRIC],  # without it the metrics are not written to disk
            preservation_policy=policies.AnyPreservationPolicy(kept),
            cleanup_tmp_directories=True,
            temporary_path_class=_SealedPath,
        )
        together.by_the_first(self._set_damaged_aside)
        with self._failures("open"):
            self._manager = ocp.CheckpointManager(LiteralPath(directory.absolute()), options=options)

    def save(self, state: TrainState, val_top1: float | None, notes: Mapping[str, Any] | None = None) -> None:
        """Starts writing a checkpoint of this state; an earlier save that failed is reported here.

        Args:
            state: every leaf a `jax.Array`; it is copied before this returns.
            val_top1: the student's accuracy on val at this step in [0, 1]; None where it was not evaluated.
            notes: what else an exact continuation needs, as JSON.

        Raises:
            UserError: this or an earlier checkpoint could not be written.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        metrics = None if val_top1 is None else {_METRIC: val_top1}
        saved = state.without(self._frozen)
        if jax.process_count() == 1:
            # All devices hold the same. Orbax looks at each one's share of each of thousands of arrays, which takes ten
            # times as long on eight devices; several processes have to show it all of them.
            saved = jax.tree.map(lambda leaf: leaf.addressable_data(0), saved)
        with self._failures(f"save step {step}"):
            self._finish()

            def begin() -> None:
                arguments = ocp.args.StandardSave(saved)
                self._manager.save(step, args=arguments, metrics=metrics, custom_metadata=dict(notes or {}))

            self._pending = (saved, begin)
            begin()

    def wait(self) -> None:
        """Returns once everything is on disk.

        Raises:
            UserError: a checkpoint could not be written.
        """
        with self._failures("finish a save"):
            self._finish()

    def _finish(self) -> None:
        """Waits for the running save, and repeats it if a change of the clock stopped it.

        Orbax uses the wall clock while it waits for its threads, so a clock that is set forward looks like a timeout.
        """
        pending, self._pending = self._pending, None
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
        except TimeoutError:
            if pending is None or jax.process_count() > 1:
                raise
            state, begin = pending
            is_gone = any(leaf.is_deleted() for leaf in jax.tree.leaves(state))  # a later step has its memory
            then = "the next one is awaited" if is_gone else "it is repeated"
            say(f"note: a clock was set forward, so a save was given up as too slow: {then}")
            self._manager.reload()
            if is_gone:
                return
            begin()
            self._manager.wait_until_finished()
            self._manager.check_for_errors()

    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, which was good when the folder was opened; None if there is none."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The good step with the best result on val, the later of equals; the newest if none was evaluated.

        One that is better but damaged is named and set aside.
        """
        chosen = together.of_the_first(self._best_good)
        self._manager.reload()
        return chosen if chosen >= 0 else self.latest_step()

    def _best_good(self) -> int:
        accuracies = {step: self._manager.metrics(step) for step in self._manager.all_steps()}
        scored = sorted((metrics[_METRIC], step) for step, metrics in accuracies.items() if metrics is not None)
        for _, step in reversed(scored):
            if (damage := self._damage(step)) is None:
                return step
            self._set_aside(str(step), damage)
        return -1

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state saved at `step`, with the shapes, dtypes and placement of `like`, and its frozen networks.

        Raises:
            UserError: the checkpoint does not fit `like` or cannot be read.
        """
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like.without(self._frozen))
        try:
            restored = self._manager.restore(step, args=ocp.args.StandardRestore(target)).with_missing(like)
            if int(restored.step) != step:  # of an earlier version, which kept no file that names it
                raise ValueError(f"it is of step {int(restored.step)}")
            return restored
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise UserError(
                f"checkpoint {self.directory / str(step)} cannot be restored ({_reason(error)}): go on with the "
                "version of jdnet_jax that wrote it, delete that folder to go on from an older one, or choose another "
                "--workdir"
            ) from error

    def notes(self, step: int) -> dict[str, Any]:
        """The argument `notes` of `save` at `step`."""
        return dict(self._manager.metadata(step).custom_metadata or {})

    def close(self) -> None:
        """Waits for pending writes and releases the folder."""
        with self._failures("finish a save"):
            self._finish()
            self._manager.close()

    def _set_damaged_aside(self) -> None:
        """Sets damaged checkpoints aside: the newest ones are read in full until one is good, older ones as Orbax does.

        Their states are read by `best_step`, for the one that it chooses.
        """
        damages: dict[int, str] = {}
        good = None
        for step in sorted(self._complete_steps(), reverse=True):
            damage = self._damage(step, None if good is None else (lambda name: not name.startswith(_STATE)))
            if damage is not None:
                damages[step] = damage
            elif good is None:
                good = step
        if damages and good is None:
            damaged = "; ".join(f"{step}: {damage}" for step, damage in damages.items())
            raise UserError(
                f"no checkpoint in {self.directory} is good ({damaged}): put back a copy of one, or delete that "
                "folder to begin anew"
            )
        for name in self._names():
            if name.isdecimal() and _STEP_NAME.fullmatch(name) is None:
                self._set_aside(name, "no step has that name")
        for step, damage in damages.items():
            self._set_aside(str(step), damage)

    def _damage(self, step: int, where: Callable[[str], bool] | None = None) -> str | None:
        folder = self.directory / str(step)
        if (damage := checksums.damage(folder, where)) is not None:
            return damage
        named = (folder / _STEP).read_text(encoding="utf-8").strip() if (folder / _STEP).is_file() else str(step)
        return None if named == str(step) else f"it is a copy of step {named}"

    def _set_aside(self, name: str, damage: str) -> None:
        folder = self.directory / name
        aside = folder.with_name(f"{name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            folder.rename(aside)
        except OSError as error:
            raise UserError(
                f"checkpoint {folder} is damaged ({damage}) and cannot be renamed ({error.strerror}): remove it"
            ) from error
        say(f"checkpoint {folder} is damaged ({damage}): set aside as {aside.name}, the run goes on from a good one")

    def _failures(self, action: str) -> Any:
        return _Failures(self, action)

    def last_good(self) -> str:
        """A phrase that names the newest complete checkpoint, for messages."""
        step = self.newest_complete()
        return (
            "there is no checkpoint yet"
            if step is None
            else f"the last good checkpoint is {self.directory / str(step)}"
        )

    def newest_complete(self) -> int | None:
        """The newest step whose checkpoint is complete on disk now; None where there is none."""
        return max(self._complete_steps(), default=None)

    def _complete_steps(self) -> list[int]:
        # Read from disk: after a failed save the manager may still list a step that was never finished.
        return [int(name) for name in self._names() if _STEP_NAME.fullmatch(name)]

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir()) if self.directory.is_dir() else []


class _Failures:
    """A context that turns a failure to write into one line, which says what is still good."""

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


# What the operating system says when it refuses a write; Orbax buries it in pages of text.
_REFUSALS = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)))


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    refusal = next((known for known in _REFUSALS if known in text), None)
    return refusal or (text.splitlines()[0][:300].rstrip(":") if text else type(error).__name__)
