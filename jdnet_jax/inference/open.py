"""Opening a model of any format by its path."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from jdnet_jax import handoff
from jdnet_jax.files import user_files
from jdnet_jax.handoff import sums
from jdnet_jax.inference.runner import Runner
from jdnet_jax.process.errors import UserError

# The module that runs each kind of exported file: it has `load(path: Path, card: ModelCard) -> Runner`, and is imported
# only where such a file is opened, because what it needs may not be installed.
_RUNNERS = {
    ".tflite": "tflite_runner",
    ".stablehlo": "stablehlo_runner",
    ".onnx": "onnx_runner",
    ".safetensors": "safetensors_runner",
}
_SAVED_MODEL, _SAVED_MODEL_FILE = "saved_model_runner", "saved_model.pb"
_PUSHED_FILE = "model.safetensors"  # a folder as `push` sends it


def open_model(path: str | os.PathLike[str]) -> Runner:
    """Opens a workdir, a hand-off, an exported file with its `model.json` beside it, or a student on the hub.

    Args:
        path: of it; or `hf-hub:OWNER/NAME`.

    Raises:
        UserError: there is nothing there, it is not a model of this project, has a newer format version, is damaged or
            changed, or what its format needs is not installed.
    """
    if (source := os.fspath(path)).startswith("hf-hub:"):
        from jdnet_jax.inference import safetensors_runner

        return safetensors_runner.load_from_hub(_of_hub(source))
    path = user_files.expanded(path)
    if not path.exists():
        raise UserError(f"there is no model at {path}: name a workdir, a hand-off (student/) or an exported file")
    if handoff.is_handoff(path):
        from jdnet_jax.inference import flax_runner

        return flax_runner.load(path)
    if path.is_dir() and (path / _PUSHED_FILE).is_file():
        from jdnet_jax.inference import safetensors_runner

        return safetensors_runner.load_pushed(path)
    name = _SAVED_MODEL if (path / _SAVED_MODEL_FILE).is_file() else _RUNNERS.get(path.suffix)
    if name is None or (path.is_dir() and name != _SAVED_MODEL):
        raise UserError(_what_it_is(path))
    card = sums.exported_card(path)
    return importlib.import_module(f"jdnet_jax.inference.{name}").load(path, card)


def _of_hub(source: str) -> str:
    from jdnet_jax.models import hub

    if not hub.is_id(source):
        raise UserError(
            f"{source} is not a repository of the hub: write hf-hub:OWNER/NAME, with @REVISION where wanted"
        )
    return source


def _what_it_is(path: Path) -> str:
    if path.is_dir() and (path / "config.json").is_file():
        return f"the run in {path} has not finished, so it has no student yet: the command that began it continues it"
    known = ", ".join(_RUNNERS)
    return f"{path} is not a model of this project: name a workdir, a hand-off (student/), or a file of {known}"
