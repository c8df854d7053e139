"""The figures of a run in Weights & Biases, for those who set `config.wandb` to a project of theirs."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say
from jdnet_jax.run.metrics import JsonLinesWriter

_FINISH = 120.0  # seconds that the end of a training waits for a server; the rest can be sent by `wandb sync`


def check(project: str) -> None:
    """Checks early that a run can be started at Weights & Biases.

    Args:
        project: `config.wandb`; '' for none.

    Raises:
        UserError: the package is not installed, or nothing says whose project it is.
    """
    if not project:
        return
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise UserError(f"config.wandb={project} needs the package wandb: pip install 'jdnet-jax[wandb]'") from error
    if os.environ.get("WANDB_MODE", "online") == "online" and not os.environ.get("WANDB_API_KEY"):
        raise UserError(
            f"config.wandb={project}: WANDB_API_KEY is not set; set it, or WANDB_MODE=offline, which sends nothing and "
            "leaves what `wandb sync` sends later"
        )


class WandbWriter(JsonLinesWriter):
    """Sends the scalars of each step; nothing else: no code, no console, no machine's figures, no photo.

    A resumed run continues the same one there; steps that are logged again after a kill show their last values. Offline
    every start leaves a folder, and what `wandb sync` sends of one takes the place of what was sent before: so each
    begins with the figures of the steps before it. If Weights & Biases fails, that is said and the training goes on.
    """

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any], before: Iterable[Mapping[str, Any]] = ()):
        """Starts the run there, or resumes it.

        Args:
            project: `config.wandb`.
            folder: folder of the run, which gets wandb's files.
            config: config of the run.
            before: what was logged before this start, as `metrics.read` gives it.
        """
        super().__init__(folder)
        self._run: Any = None
        with self._training_goes_on():
            import wandb

            settings = wandb.Settings(
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_meta=True,
                x_save_requirements=False,
                silent=True,
                **({"finish_timeout": _FINISH} if "finish_timeout" in wandb.Settings.model_fields else {}),
            )
            self._run = wandb.init(
                project=project,
                name=_name(folder.absolute()),
                id=_id_of(folder),
                resume="allow",
                dir=folder,
                config=dict(config),
                settings=settings,
            )
            self._run.define_metric("*", step_metric="step")
            for line in before if self._run.offline else ():
                self._log({name: value for name, value in line.items() if value is not None})

    def flush(self) -> None:
        """Sends the pending line."""
        if self._step is not None:
            with self._training_goes_on():
                self._log({"step": self._step, **self._values})
        self._step, self._values = None, {}

    def conclude(self, figures: Mapping[str, float]) -> None:
        """Puts figures into the run's summary there: those of its test, which belong to no line.

        Args:
            figures: by name, such as `test/student/top1`.
        """
        with self._training_goes_on():
            if self._run is not None:
                self._run.summary.update(dict(figures))

    def close(self) -> None:
        """Sends the pending line and ends the run there."""
        self.flush()
        with self._training_goes_on():
            if self._run is not None:
                self._run.finish()

    def _log(self, line: Mapping[str, float]) -> None:
        if self._run is not None:
            self._run.log({name: value if name == "step" else np.float64(value) for name, value in line.items()})

    @contextlib.contextmanager
    def _training_goes_on(self) -> Iterator[None]:
        """A context in which a failure of the package, whatever it raises, ends the sending and not the training."""
        try:
            yield
        except Exception as error:
            self._run = None
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            say(f"warning: Weights & Biases fails ({reason}): it gets no more figures, metrics.jsonl has them all")


def _name(folder: Path) -> str:
    """The name of a run there; that of a teacher that is trained first begins with its student's."""
    return "/".join(folder.parts[-3:]) if folder.parent.name == "teachers" else folder.name


def _id_of(folder: Path) -> str:
    """The id of a run there: drawn at its first start, as another run may once have had the same folder's name."""
    file = folder / "wandb" / "id.txt"
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        atomic.write_text(file, f"{secrets.token_hex(8)}\n")
    return file.read_text(encoding="utf-8").strip()
