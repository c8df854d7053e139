"""The figures of a run in Weights & Biases, for those who set `config.wandb` to a project of theirs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jdnet_jax.process.errors import UserError
from jdnet_jax.run.metrics import JsonLinesWriter


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

    A resumed run continues the same one there. Steps that are logged again after a kill show their last values.
    """

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any]):
        """Starts the run there, or resumes it.

        Args:
            project: `config.wandb`.
            folder: of the run, which gets wandb's files.
            config: of the run.

        Raises:
            UserError: the server does not take it.
        """
        import wandb

        super().__init__(folder)
        settings = wandb.Settings(
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
            silent=True,
        )
        try:
            self._run = wandb.init(
                project=project,
                name=folder.name,
                id=hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16],
                resume="allow",
                dir=folder,
                config=dict(config),
                settings=settings,
            )
        except wandb.errors.Error as error:
            raise UserError(f"config.wandb={project}: {' '.join(str(error).split())[:200]}") from error
        self._run.define_metric("*", step_metric="step")

    def flush(self) -> None:
        """Sends the pending line."""
        if self._step is not None:
            self._run.log({"step": self._step, **{name: np.float64(value) for name, value in self._values.items()}})
        self._step, self._values = None, {}

    def close(self) -> None:
        """Sends the pending line and ends the run there."""
        self.flush()
        self._run.finish()
