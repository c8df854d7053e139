"""The hand-off: a folder with one network alone, all that evaluation, prediction and export need.

`model.json` says what the network is and how photos reach it; `checkpoint/` is an Orbax checkpoint of `{"params",
"batch_stats"}`. Adapters, teachers and optimisers are never in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from jdnet_jax.handoff import model_card
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.errors import UserError

_CHECKPOINT = "checkpoint"


def is_handoff(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a hand-off, or a workdir that holds one in `student/`."""
    return bool(str(path)) and find(Path(path)) is not None


def save(directory: Path, variables: Mapping[str, PyTree], card: ModelCard) -> None:
    """Writes a hand-off aside and puts it in place whole, instead of any earlier one.

    Args:
        directory: the folder to make.
        variables: `params` and `batch_stats` of the one network.
        card: what `model.json` says.

    Raises:
        UserError: it could not be written; an earlier hand-off is untouched.
    """
    directory = directory.absolute()
    aside, old = (directory.with_name(f".{directory.name}.{what}") for what in ("new", "old"))
    try:
        for path in (aside, old):
            shutil.rmtree(path, ignore_errors=True)
        aside.mkdir(parents=True)
        with ocp.StandardCheckpointer(multiprocessing_options=_alone()) as checkpointer:
            checkpointer.save(aside / _CHECKPOINT, {key: variables[key] for key in ("params", "batch_stats")})
        (aside / model_card.FILE_NAME).write_text(card.to_json(), encoding="utf-8")
        if directory.exists():
            directory.rename(old)
        aside.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, ValueError, RuntimeError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        if old.exists() and not directory.exists():
            old.rename(directory)
        raise UserError(f"{directory}: the hand-off could not be written ({str(error).strip()[:300]})") from error


def load(
    path: str | os.PathLike[str], *, model: str | None = None, num_classes: int | None = None
) -> tuple[dict[str, PyTree], ModelCard]:
    """Reads a hand-off.

    Args:
        path: the folder, or a workdir that holds it in `student/`.
        model: the model it must be; None for any.
        num_classes: the number of classes it must have; None for any.

    Returns:
        the variables `{"params", "batch_stats"}` as NumPy arrays, and what `model.json` says.

    Raises:
        UserError: not a hand-off, of a newer format, damaged, or of another model or number of classes.
    """
    directory = find(Path(path))
    if directory is None:
        raise UserError(
            f"{path} is not a hand-off: a folder with {model_card.FILE_NAME} and {_CHECKPOINT}/ is expected"
        )
    card = model_card.read(directory / model_card.FILE_NAME)
    if model is not None and card.model != model:
        raise UserError(f"{directory} holds the model {card.model!r}, not {model!r}")
    if num_classes is not None and len(card.classes) != num_classes:
        raise UserError(f"{directory} was trained on {len(card.classes)} classes, not on {num_classes}")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(directory.absolute() / _CHECKPOINT).item_metadata.tree
            target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), metadata)
            variables = checkpointer.restore(directory.absolute() / _CHECKPOINT, target)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise UserError(f"{directory / _CHECKPOINT} is damaged ({' '.join(reason)[:200]}): write it again") from error
    variables.setdefault("batch_stats", {})
    return variables, card


def _alone() -> ocp.options.MultiprocessingOptions:
    """Of several processes the one that writes must not wait for the others."""
    this = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})


def find(path: Path) -> Path | None:
    """The hand-off's own folder: `path`, or `student/` in it; None where there is none."""
    path = path.expanduser()
    for candidate in (path, path / "student"):
        if (candidate / model_card.FILE_NAME).is_file() and (candidate / _CHECKPOINT).is_dir():
            return candidate
    return None
