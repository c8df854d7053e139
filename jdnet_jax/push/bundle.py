"""The folder that is sent to the hub: weights, `model.json`, their sums, exported files and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax import handoff
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.export import exporter, formats
from jdnet_jax.files import atomic, checksums
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.inference.safetensors_runner import WEIGHTS
from jdnet_jax.push import model_page
from jdnet_jax.run.workdir import Workdir

PAGE = "README.md"


def write(repository: str, source: Path, folder: Path, file_formats: Sequence[str], licence: str) -> None:
    """Writes the folder.

    Args:
        repository: `OWNER/NAME`, which the page names.
        source: a workdir or a hand-off.
        folder: an existing, empty folder.
        file_formats: formats of the exported files, keys of `formats.FORMATS`.
        licence: see `model_page.text`.

    Raises:
        UserError: it is no hand-off, or a format cannot be had.
        ImportError: `huggingface_hub` is not installed.
    """
    weights = folder / WEIGHTS
    exporter.export(exporter.Request(source, "safetensors", "none", weights))
    # In a repository the weights' card is the folder's card, and one list has the sums of both.
    model_card.card_path(weights).rename(folder / model_card.FILE_NAME)
    sums.list_path(weights).unlink()
    checksums.write(folder, [WEIGHTS, model_card.FILE_NAME])
    files = []
    for name in file_formats:
        file = folder / f"student{formats.FORMATS[name].suffix or '_' + name}"
        exporter.export(exporter.Request(source, name, "none", file))
        files.append(file.name)
    card = model_card.read(folder / model_card.FILE_NAME)
    summary, starts = _of_run(source, card)
    atomic.write_text(folder / PAGE, model_page.text(repository, card, summary, starts, files, licence))


def _of_run(
    source: Path, card: model_card.ModelCard
) -> tuple[Mapping[str, Any] | None, dict[str, tuple[str, str]] | None]:
    """The summary of the student's run, and the origin of its networks' weights."""
    folder = handoff.find(source)
    place = Workdir(source if folder is None or folder != source else source.absolute().parent)
    summary = place.finished() if place.config.is_file() else None
    if summary is None or summary["student"]["sha256"] != card.sha256:
        return None, None
    config = place.read_config("put back a copy")
    networks = {STUDENT: config["student"], **config["teachers"]}
    return summary, {name: (entry["model"], entry["init"]) for name, entry in networks.items()}
