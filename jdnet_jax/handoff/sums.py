"""Checksums of models: a hand-off holds `SHA256SUMS`, an exported file has `<file>.SHA256SUMS` beside it.

Models of earlier versions have no list; they are read, with a note that they cannot be checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from jdnet_jax.files import checksums
from jdnet_jax.handoff import model_card
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say


def list_path(model: Path) -> Path:
    """The path of a model's list: in its folder, or beside the file (`student.tflite.SHA256SUMS`)."""
    return model / checksums.NAME if model.is_dir() else model.with_name(f"{model.name}.{checksums.NAME}")


def seal(model: Path) -> None:
    """Writes the list: for a folder of all its files, for a file of itself and its card.

    Raises:
        OSError: a file could not be read.
        UserError: the list could not be written.
    """
    names = None if model.is_dir() else (model.name, model_card.card_path(model).name)
    place = list_path(model)
    checksums.write(place.parent, names, list_name=place.name)


def check(model: Path, where: Callable[[str], bool] | None = None) -> bool:
    """Checks a hand-off or an exported file against its list.

    Additional files beside it, such as a README, are no damage.

    Args:
        model: the hand-off's folder, or the exported file or folder.
        where: which of its files to read; None for all.

    Returns:
        whether there is a list.

    Raises:
        UserError: it is not as it was written.
    """
    place = list_path(model)
    if not place.exists():
        _tell_unchecked(place)
        return False
    damage = checksums.damage(place.parent, where, exact=False, list_name=place.name)
    if damage is not None:
        raise UserError(
            f"{model} has changed since it was written ({damage}): put back a copy; if it was changed on purpose, "
            f"delete {place}"
        )
    return True


def exported_card(file: Path) -> ModelCard:
    """The card of an exported file or folder, after checking that both are as they were written.

    Raises:
        UserError: it is not there, damaged, of a newer format version, or one of the two was changed.
    """
    card = model_card.read(model_card.beside(file))
    check(file)
    return card


def checked_card(model: Path) -> ModelCard:
    """The content of `model.json`, after checking that it is as it was written; the weights are not read.

    Raises:
        UserError: it is not there, damaged, of a newer format version, or was changed.
    """
    path = model_card.card_path(model)
    card = model_card.read(path)
    check(model, lambda name: name == path.name)
    return card


@functools.cache
def _tell_unchecked(place: Path) -> None:
    say(
        f"note: there is no {place}, which earlier versions did not write: whether the model has changed since "
        "cannot be checked"
    )
