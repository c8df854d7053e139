"""Opening a model of any format by its name: a path, or `hf-hub:OWNER/NAME`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jdnet_jax import handoff
from jdnet_jax.files import user_files
from jdnet_jax.handoff import sums
from jdnet_jax.inference.runner import Runner
from jdnet_jax.process.errors import UserError

if TYPE_CHECKING:
    from jdnet_jax.inference.flax_runner import FlaxRunner

# The module that runs each kind of exported file: it has `load(path: Path, card: ModelCard) -> Runner`, and is imported
# only where such a file is opened, because what it needs may not be installed.
_RUNNERS = {
    ".tflite": "tflite_runner",
    ".stablehlo": "stablehlo_runner",
    ".onnx": "onnx_runner",
    ".safetensors": "safetensors_runner",
}
_WEIGHTS = ".safetensors"  # of the exported files this one alone has the network's weights
_SAVED_MODEL, _SAVED_MODEL_FILE = "saved_model_runner", "saved_model.pb"


def located(source: str | os.PathLike[str]) -> Path:
    """The path of the model that the user names; a student on the hub is downloaded, unless it is in the cache.

    Args:
        source: a workdir, a hand-off, an exported file, a folder that `push` wrote, or `hf-hub:OWNER/NAME`.

    Raises:
        UserError: there is nothing there, or the hub has no such student.
    """
    if (name := os.fspath(source)).startswith("hf-hub:"):
        from jdnet_jax.inference import safetensors_runner

        return safetensors_runner.downloaded(name)
    path = user_files.expanded(source)
    if not path.exists():
        raise UserError(
            f"there is no model at {path}: name a workdir, a hand-off (student/), an exported file or hf-hub:OWNER/NAME"
        )
    return path


def open_model(source: str | os.PathLike[str]) -> Runner:
    """Opens a model of any format.

    Args:
        source: as for `located`; an exported file has its `model.json` beside it.

    Raises:
        UserError: as `located`, or it is not a model of this project, has a newer format version, is damaged or
            changed, or what its format needs is not installed.
    """
    path = located(source)
    name = _SAVED_MODEL if (path / _SAVED_MODEL_FILE).is_file() else _RUNNERS.get(path.suffix)
    if name is None or handoff.is_handoff(path) or (path.is_dir() and name != _SAVED_MODEL):
        return open_student(path)
    card = sums.exported_card(path)
    return importlib.import_module(f"jdnet_jax.inference.{name}").load(path, card)


def open_student(source: str | os.PathLike[str]) -> FlaxRunner:
    """Opens a student as a network of the zoo with its weights, from which every format can be exported.

    Args:
        source: as for `located`; of exported files only weights (`.safetensors`).

    Raises:
        UserError: as `open_model`, or it is a file that does not have the weights.
    """
    from jdnet_jax.inference import flax_runner, safetensors_runner

    path = located(source)
    if handoff.is_handoff(path):
        return flax_runner.load(path)
    if safetensors_runner.is_pushed(path):
        return safetensors_runner.load_pushed(path)
    if path.suffix == _WEIGHTS and path.is_file():
        return safetensors_runner.load(path, sums.exported_card(path))
    raise UserError(_what_it_is(path))


def has_weights(path: Path) -> bool:
    """Whether `open_student` opens a path."""
    from jdnet_jax.inference import safetensors_runner

    is_file = path.suffix == _WEIGHTS and path.is_file()
    return is_file or handoff.is_handoff(path) or safetensors_runner.is_pushed(path)


def _what_it_is(path: Path) -> str:
    if path.is_dir() and (path / "config.json").is_file():
        return f"the run in {path} has not finished, so it has no student yet: the command that began it continues it"
    if (path / _SAVED_MODEL_FILE).is_file() or (path.is_file() and path.suffix in _RUNNERS):
        return f"{path} was exported without the weights: name the workdir, hand-off or hf-hub:OWNER/NAME it came from"
    known = ", ".join(_RUNNERS)
    return f"{path} is not a model of this project: name a workdir, a hand-off (student/), or a file of {known}"
