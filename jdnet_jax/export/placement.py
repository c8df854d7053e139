"""Placement of exports: everything is written and tested in a temporary place, and moved when it is complete."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from jdnet_jax.files import atomic
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.process.errors import UserError

_FOLDERS = {"": "saved_model.pb", ".mlpackage": "Manifest.json"}  # what lies in them, by their suffix


@contextlib.contextmanager
def placed(output: Path, suffix: str) -> Iterator[Path]:
    """Yields a temporary path to write to, then moves the files there to `output`, with model card and checksums.

    If the code inside raises an exception, an earlier `output` stays unchanged and nothing new is left.

    Args:
        output: path of the export.
        suffix: suffix that its name must have; '' for a folder.

    Raises:
        UserError: another suffix, something there that is no export, or a place where nothing can be written.
    """
    if suffix and output.suffix != suffix:
        raise UserError(f"--output={output} must end in {suffix}, the ending of this format")
    is_folder = suffix in _FOLDERS
    if output.is_dir() and not (is_folder and _is_replaceable(output, _FOLDERS[suffix])):
        raise UserError(f"--output={output} is a folder that export did not write: choose another name")
    if is_folder and output.is_file():
        raise UserError(f"--output={output} is a file, and a folder is to be written: choose another name")
    aside = atomic.aside(output.absolute())
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--output={output} cannot be written ({error.strerror}): choose another place") from error
    try:
        inside = aside / output.name
        if is_folder:
            inside.mkdir()
        yield inside
        _move(inside, output)
    except OSError as error:
        raise UserError(f"--output={output} cannot be written ({error.strerror or error}): make room") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_replaceable(folder: Path, content: str) -> bool:
    entries = {entry.name for entry in folder.iterdir()}
    return not entries or {content, model_card.FILE_NAME} <= entries


def _move(inside: Path, output: Path) -> None:
    if inside.is_dir():
        old = inside.with_name("old")
        if output.exists():
            output.rename(old)
        inside.rename(output)
        return
    card = model_card.card_path(output)
    card.unlink(missing_ok=True)  # between the moves there is a file without a card, which nobody runs
    inside.replace(output)
    sums.list_path(inside).replace(sums.list_path(output))
    model_card.card_path(inside).replace(card)
