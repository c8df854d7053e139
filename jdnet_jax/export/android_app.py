"""An Android app with a student: the sources in `android/`, the student's file, and constants of its `model.json`."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

from jdnet_jax.config import views
from jdnet_jax.export import exporter
from jdnet_jax.export.exporter import Report, Request
from jdnet_jax.files import atomic
from jdnet_jax.handoff import model_card
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import colormap
from jdnet_jax.inference.open import open_student
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable

_SOURCES = Path(__file__).with_name("android")
_FILLED_IN = ("README.md", "app/src/main/kotlin/Model.kt")  # the files with places for the student's figures
_ASSETS = Path("app/src/main/assets")
_FILE, _LABELS = "student.tflite", "labels.txt"


def write(request: Request) -> Report:
    """Exports the student as a TFLite file with its activation map, and writes a Gradle project with it.

    Args:
        request: what to export; format and outputs are the app's, whatever it says, and `output` is the folder, which
            is new or empty.

    Raises:
        UserError: the folder has something in it or cannot be written, the app cannot show photos as the student sees
            them, or as `exporter.export`.
    """
    folder = request.output
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"--output={folder} is there already, perhaps with changes of yours: name a new folder")
    _check(open_student(request.source).card, request.source)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / _FILE
        outputs = "probabilities+activation"
        report = exporter.export(dataclasses.replace(request, file_format="tflite", outputs=outputs, output=file))
        try:
            with atomic.replaced_folder(folder) as new:
                fill(new, file)
        except OSError as error:
            raise UserError(f"--output={folder} cannot be written ({error.strerror}): choose another place") from error
    return dataclasses.replace(report, output=folder / _ASSETS / _FILE)


def fill(folder: Path, file: Path) -> None:
    """Writes the project's files.

    Args:
        folder: the empty folder to fill.
        file: a TFLite file with an activation map, its `model.json` beside it.
    """
    card_path = model_card.card_path(file)
    card = model_card.read(card_path)
    shutil.copytree(_SOURCES, folder, dirs_exist_ok=True)
    figures = {
        "NAME": json.dumps(card.model),
        "CLASSES": str(len(card.classes)),
        "SHORTER_SIDE": str(card.shorter_side),
        "IMAGE_SIZE": str(card.image_size),
        "NOT_SURE_BELOW": repr(card.not_sure_below),
        "DTYPE": card.dtype,
        "COLORS": _colors(),
    }
    for name in _FILLED_IN:
        text = (folder / name).read_text(encoding="utf-8")
        for key, value in figures.items():
            text = text.replace(f"@{key}@", value)
        (folder / name).write_text(text, encoding="utf-8")
    assets = folder / _ASSETS
    assets.mkdir()
    shutil.copy(file, assets / _FILE)
    # Not among the assets: users of the app need not see the path of the training photos.
    shutil.copy(card_path, folder / model_card.FILE_NAME)
    (assets / _LABELS).write_text("".join(f"{printable(name)}\n" for name in card.classes), encoding="utf-8")


def _check(card: ModelCard, source: Path) -> None:
    if card.view != views.PHOTO:
        raise UserError(f"{source} takes the view {card.view}, which needs a mask of each photo: the app has none")
    if card.fit != "crop":
        raise UserError(f"{source} takes photos with grey borders (config.fit={card.fit}), but the app crops photos")


def _colors() -> str:
    """The colour map as Kotlin, in lines of 16 colours."""
    digits = colormap.table().tobytes().hex()
    lines = [f'        "{digits[start : start + 96]}"' for start in range(0, len(digits), 96)]
    return " +\n".join(lines)
