"""The folder of a hand-off: one network, with everything that evaluation, prediction and export need.

`model.json` describes the network and its input; `checkpoint/` is an Orbax checkpoint of `{"params",
"batch_stats"}`; `SHA256SUMS` has the sums of both. Adapters, teachers and optimisers are never in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from jdnet_jax.files import atomic, plain_path, user_files
from jdnet_jax.files.plain_path import LiteralPath
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.errors import UserError

_CHECKPOINT, _MANIFEST = "checkpoint", "manifest.ocdbt"


def is_handoff(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a hand-off, or a workdir that holds one in `student/`."""
    return bool(str(path)) and find(Path(path)) is not None


def save(directory: Path, variables: Mapping[str, PyTree], card: ModelCard) -> None:
    """Writes a hand-off to a temporary folder, then puts it in place of any earlier one.

    Args:
        directory: the folder to make.
        variables: `params` and `batch_stats` of the one network.
        card: the content of `model.json`.

    Raises:
        UserError: it could not be written; an earlier hand-off is untouched.
    """
    plain_path.check(directory)
    try:
        with atomic.replaced_folder(directory) as aside:
            with ocp.StandardCheckpointer(multiprocessing_options=_alone()) as checkpointer:
                checkpointer.save(
                    LiteralPath(aside / _CHECKPOINT), {key: variables[key] for key in ("params", "batch_stats")}
                )
            if not (aside / _CHECKPOINT / _MANIFEST).is_file():
                raise RuntimeError(f"Orbax wrote no {_MANIFEST}")
            model_card.write(aside / model_card.FILE_NAME, card)
            sums.seal(aside)
    except (OSError, ValueError, RuntimeError, UserError) as error:
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
        the variables `{"params", "batch_stats"}` as NumPy arrays, and the content of `model.json`.

    Raises:
        UserError: not a hand-off, of a newer format, damaged or changed, or of another model or number of classes.
    """
    directory = find(Path(path))
    if directory is None:
        raise UserError(
            f"{path} is not a hand-off: a folder with {model_card.FILE_NAME} and {_CHECKPOINT}/ is expected"
        )
    card = model_card.read(directory / model_card.FILE_NAME)
    has_list = sums.check(directory)
    if model is not None and card.model != model:
        raise UserError(f"{directory} holds the model {card.model!r}, not {model!r}")
    if num_classes is not None and len(card.classes) != num_classes:
        raise UserError(f"{directory} was trained on {len(card.classes)} classes, not on {num_classes}")
    plain_path.check(directory)
    checkpoint = LiteralPath(directory.absolute() / _CHECKPOINT)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            metadata = checkpointer.metadata(checkpoint).item_metadata.tree
            target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), metadata)
            variables = checkpointer.restore(checkpoint, target)
    except Exception as error:  # of a damaged file Orbax raises anything
        reason = str(error).strip().splitlines()[:1]
        raise UserError(f"{checkpoint} is damaged ({' '.join(reason)[:200]}): write it again") from error
    variables.setdefault("batch_stats", {})
    if not has_list and card.sha256 and sha256(variables) != card.sha256:
        raise UserError(
            f"{checkpoint} holds other weights than {directory / model_card.FILE_NAME} names: put back a copy; if they "
            'were changed on purpose, remove "sha256" from that file'
        )
    return variables, card


def _alone() -> ocp.options.MultiprocessingOptions:
    """Options of Orbax for one writing process among several, which must not wait for the others."""
    this = jax.process_index()
    return ocp.options.MultiprocessingOptions(primary_host=this, active_processes={this})


def find(path: Path) -> Path | None:
    """The folder of the hand-off: `path`, or `student/` in it; None where there is none."""
    path = user_files.expanded(path)
    for candidate in (path, path / "student"):
        if (candidate / model_card.FILE_NAME).is_file() and (candidate / _CHECKPOINT).is_dir():
            return candidate
    return None
