"""The model file for the browser, from the model that the user names."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jdnet_jax.config import views
from jdnet_jax.handoff import sums
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

#: The runtime for a file, and the mark in its bytes with its offset; ONNX has no such mark.
_RUNTIMES = {".tflite": ("litert", 4, b"TFL3"), ".onnx": ("onnxruntime", 0, b"")}


@dataclass(frozen=True)
class ModelFile:
    """A model as a browser gets it.

    Attributes:
        name: name of the file on the page, with a digest of its content, so that no cache mixes files up.
        content: content of the file.
        card: the model card.
        runtime: the runtime that runs it, a key of `runtime.FILES`.
    """

    name: str
    content: bytes
    card: ModelCard
    runtime: str


def load(path: Path) -> ModelFile:
    """Reads an exported file, or exports a student to a TFLite file of floats first.

    Args:
        path: path of a `.tflite` or `.onnx` file, or what `open_student` opens: a workdir, say, or `hf-hub:OWNER/NAME`.

    Raises:
        UserError: there is nothing, it is of a format that no browser runs, has no card, cannot be exported, or does
            not look at photos as the page shows them.
    """
    if path.suffix in _RUNTIMES and path.is_file():
        return _read(path)
    with _exported(path) as file:
        return _read(file)


def _read(path: Path) -> ModelFile:
    runtime, at, mark = _RUNTIMES[path.suffix]
    card = sums.exported_card(path)
    _check(card, path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    if not content or content[at : at + len(mark)] != mark:
        raise UserError(f"{path} is no {path.suffix[1:]} file, or is damaged: export it again")
    name = f"student-{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
    return ModelFile(name, content, card, runtime)


def _check(card: ModelCard, path: Path) -> None:
    if card.view != views.PHOTO:
        raise UserError(f"{path} takes the view {card.view}, which needs a mask of each photo: the page has none")
    if card.fit != "crop":
        raise UserError(f"{path} takes photos with grey borders (config.fit={card.fit}), but the page crops photos")


@contextlib.contextmanager
def _exported(source: Path) -> Iterator[Path]:
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.export import exporter
    from jdnet_jax.inference.open import open_student

    _check(open_student(source).card, source)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "student.tflite"
        exporter.export(exporter.Request(source, "tflite", "none", output, outputs="probabilities+activation"))
        say(
            f"to skip this conversion next time: {command_line.shown('export')} --from={shlex.quote(str(source))} "
            f"--outputs=probabilities+activation --output=student.tflite, then {command_line.shown('demo')} "
            "--model=student.tflite"
        )
        yield output
