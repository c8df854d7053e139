"""Early stopping: a run ends before its last step because the student gets no better on val."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: On fewer photos of val a run does not end early: one photo would be more than a point of accuracy (OURS).
FEWEST = 100


class EarlyStop:
    """Counts the evaluations on val since the student's best top-1 so far (Prechelt, 1998).

    What it decides depends on the evaluations alone, so that a resumed run, and every process of several, ends at the
    same step as an uninterrupted run.
    """

    def __init__(self, patience: int, val_photos: int, *, unseen: bool):
        """Starts without evaluations.

        Args:
            patience: evaluations without a better one after which the run ends; 0 for never.
            val_photos: number of photos in val.
            unseen: whether val is no part of train.
        """
        self._patience = patience if val_photos >= FEWEST and unseen else 0
        self._best: float | None = None
        self._since = 0
        #: Why config.patience is ignored, for the log; '' where it is not.
        self.ignored = ""
        if patience and not self._patience:
            why = f"val has {val_photos} photos and early stopping needs {FEWEST}" if unseen else "val is part of train"
            self.ignored = f"config.patience is ignored: {why}"

    def see(self, top1: float) -> None:
        """Takes note of an evaluation: the student's top-1 on val."""
        if self._best is None or top1 > self._best:
            self._best, self._since = top1, 0
        else:
            self._since += 1

    @property
    def is_over(self) -> bool:
        """Whether the run ends here."""
        return 0 < self._patience <= self._since

    def notes(self) -> dict[str, Any]:
        """The state for a checkpoint, as JSON, from which a run resumes exactly."""
        return {"best": self._best, "since": self._since}

    def resume(self, notes: Mapping[str, Any] | None) -> None:
        """Restores the state of a checkpoint's `notes`; starts afresh if it has none."""
        notes = notes or {}
        self._best, self._since = notes.get("best"), notes.get("since", 0)

    def words(self, step: int, steps: int) -> str:
        """The message that the run ended early.

        Args:
            step: the last step.
            steps: length of the whole run.
        """
        return (
            f"ended early, after step {step} of {steps}: in {self._since} evaluations on val the student was not "
            f"better than {self._best or 0:.2%} (config.patience = {self._patience})"
        )
