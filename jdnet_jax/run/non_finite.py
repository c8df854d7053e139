"""Handling of figures that are not finite: the run stops, leaves the update out, or goes back to a checkpoint.

`config.on_non_finite` chooses. This module counts what was done, and checkpoints keep the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax.process.errors import UserError


class NonFiniteError(Exception):
    """A figure of a step is not finite; the message names it.

    Attributes:
        step: the number of the step.
    """

    def __init__(self, step: int, message: str):
        super().__init__(message)
        self.step = step


class NonFinitePolicy:
    """The policy that checks the metrics of the steps and decides how the run goes on.

    Attributes:
        roll_backs: the steps that the run went back from.
    """

    def __init__(self, config: ConfigDict, terms: Sequence[str], groups: Sequence[str], say: Callable[[str], None]):
        """Starts before the first step.

        Args:
            config: config of the run.
            terms: names of the loss terms.
            groups: names of the trained groups.
            say: reports that an update is left out.
        """
        self.roll_backs: list[int] = []
        self._config, self._say = config, say
        self._skips = 0  # updates left out, one after the other, up to the step `_checked`
        self._checked = 0
        # In the order of cause: a term, then the gradients, then the updated parameters, then the sum.
        self._names = [f"loss/{term}" for term in terms]
        self._names += [f"{norm}/{group}" for norm in ("grad_norm", "param_norm") for group in groups]
        self._names.append("loss/total")

    def check(self, step: int, metrics: Mapping[str, Any] | None) -> None:
        """Checks the metrics of a step, once.

        Args:
            step: its number.
            metrics: what the step returned; None where there are none.

        Raises:
            NonFiniteError: the run cannot go on from here.
        """
        if step <= self._checked or metrics is None:
            return
        self._checked = step
        values = jax.device_get(metrics)
        first = next((name for name in self._names if not np.isfinite(values[name])), None)
        if first is None:
            self._skips = 0
            return
        error = NonFiniteError(step, f"step {step}: {first} is not finite ({float(values[first])})")
        if self._config.on_non_finite != "skip":
            raise error
        self._skips += 1
        if self._skips > self._config.max_skips:
            raise NonFiniteError(step, f"{error}, as in the {self._config.max_skips} steps before, which were skipped")
        self._say(f"{error}: its update is left out")

    def check_roll_back(self, error: NonFiniteError, last_good: str) -> None:
        """Checks that the run may go back once more.

        Args:
            error: the reason to go back.
            last_good: the newest good checkpoint, in words.

        Raises:
            UserError: the policy is another one, or this would be one time too many.
        """
        times = len(self.roll_backs)
        if self._config.on_non_finite == "roll_back" and times < self._config.max_roll_backs:
            return
        after = f" (after {times} roll-backs)" if times else ""
        raise UserError(
            f"{error}{after}; {last_good}: lower config.schedule.learning_rate or set config.optimizer.clip_norm, and "
            "use a new --workdir, or go on from there with --config.on_non_finite=roll_back"
        ) from error

    @property
    def data_seed(self) -> int:
        """The seed of the data's order and augmentation: the config's, and another one after each roll-back."""
        if not self.roll_backs:
            return self._config.seed
        return int(np.random.SeedSequence([self._config.seed, len(self.roll_backs)]).generate_state(1)[0])

    def figures(self) -> dict[str, float]:
        """The figures on roll-backs for a line of metrics; empty if there can be none."""
        return {"roll_backs": len(self.roll_backs)} if self._config.on_non_finite == "roll_back" else {}

    def notes(self) -> dict[str, Any]:
        """The state for a checkpoint, from which a run resumes exactly."""
        return {"skips": self._skips, "roll_backs": self.roll_backs}

    def resume(self, step: int, notes: Mapping[str, Any] | None) -> None:
        """Restores the state after a step from its checkpoint's notes; None for a new run."""
        self._checked = step
        if notes is not None:
            self._skips, self.roll_backs = notes["skips"], notes["roll_backs"]
