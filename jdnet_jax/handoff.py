"""The hand-off: a folder with one network alone, all that evaluation, prediction and export need.

`model.json` says what the network is and how photos reach it; `checkpoint/` is an Orbax checkpoint of `{"params",
"batch_stats"}`. Adapters, teachers and optimisers are never in it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from jdnet_jax.errors import UserError

FORMAT_VERSION = 1
_DESCRIPTION, _CHECKPOINT = "model.json", "checkpoint"


def is_handoff(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a hand-off, or a workdir that holds one in `student/`."""
    return bool(str(path)) and _find(Path(path)) is not None


def save(directory: Path, variables: Mapping[str, PyTree], description: Mapping[str, Any]) -> None:
    """Writes a hand-off aside and puts it in place whole, instead of any earlier one.

    Args:
        directory: the folder to make.
        variables: `params` and `batch_stats` of the one network.
        description: what `model.json` says beside the format version; must be JSON.

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
        text = json.dumps({"format_version": FORMAT_VERSION, **description}, indent=2, ensure_ascii=False)
        (aside / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
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
) -> tuple[dict[str, PyTree], dict[str, Any]]:
    """Reads a hand-off.

    Args:
        path: the folder, or a workdir that holds it in `student/`.
        model: the model it must be; None for any.
        num_classes: the number of classes it must have; None for any.

    Returns:
        the variables `{"params", "batch_stats"}` as NumPy arrays, and the content of `model.json`.

    Raises:
        UserError: not a hand-off, of a newer format, damaged, or of another model or number of classes.
    """
    directory = _find(Path(path))
    if directory is None:
        raise UserError(f"{path} is not a hand-off: a folder with {_DESCRIPTION} and {_CHECKPOINT}/ is expected")
    try:
        description = json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))
        version, name, classes = (description[key] for key in ("format_version", "model", "classes"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory / _DESCRIPTION} is damaged ({error}): write the hand-off again") from error
    if version > FORMAT_VERSION:
        raise UserError(f"{directory} has format version {version}, newer than {FORMAT_VERSION}: update jdnet_jax")
    if model is not None and name != model:
        raise UserError(f"{directory} holds the model {name!r}, not {model!r}")
    if num_classes is not None and len(classes) != num_classes:
        raise UserError(f"{directory} was trained on {len(classes)} classes, not on {num_classes}")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(directory.absolute() / _CHECKPOINT).item_metadata.tree
            target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), metadata)
            variables = checkpointer.restore(directory.absolute() / _CHECKPOINT, target)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise UserError(f"{directory / _CHECKPOINT} is damaged ({' '.join(reason)[:200]}): write it again") from error
    variables.setdefault("batch_stats", {})
    return variables, description


def _alone() -> ocp.options.MultiprocessingOptions:
    """Of several processes the one that writes must not wait for the others."""
    this = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})


def _find(path: Path) -> Path | None:
    path = path.expanduser()
    for candidate in (path, path / "student"):
        if (candidate / _DESCRIPTION).is_file() and (candidate / _CHECKPOINT).is_dir():
            return candidate
    return None
