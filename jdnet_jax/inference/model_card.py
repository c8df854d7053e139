"""`model.json`: what a model says of itself, so that whoever has the file needs neither its trainer nor its config.

The hand-off holds one, and every exported file has one of the same format beside it. This is the one place that reads,
checks and writes it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jdnet_jax import atomic
from jdnet_jax.errors import UserError

FORMAT_VERSION = 1
FILE_NAME = "model.json"

# Of the evaluation view; another rule would be another format version.
_RULE = {"crop": "center", "method": "bilinear", "antialias": True}


class BadModelCardError(Exception):
    """A text is no model card of ours; the message says why."""


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What `model.json` says.

    Attributes:
        model: name of the network in the zoo.
        options: of the network.
        classes: names of the classes, in the order of the probabilities.
        image_size: side of the images that the model takes, in pixels.
        mean: per-channel RGB mean that is subtracted from images in [0, 255]. In an exported file that is done inside.
        std: per-channel RGB deviation that they are then divided by.
        shorter_side: to how many pixels a photo's shorter side is resized (bilinear, antialiased) before the central
            square of `image_size` is cut out.
        temperature: what the logits are divided by before the softmax. In an exported file that is done inside.
        file_format: `flax` for a hand-off, or the format of the exported file, such as `tflite`.
        dtype: what the model computes in, such as `float32`, `bfloat16` or `int8`.
        parameters: how many numbers the network's parameters hold; None where it is not told.
        trained: where the model comes from: versions, device, recipe, dataset, protocol, step, seed.
        accuracy: the entries of `summary.json` by split, of the network before any export.
        sha256: of the network's weights, as `state.sha256`; '' where it is not told.
        export: what the export found out about its file; empty for a hand-off.
    """

    model: str
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    shorter_side: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    temperature: float = 1.0
    file_format: str = "flax"
    dtype: str = "float32"
    parameters: int | None = None
    trained: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    accuracy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sha256: str = ""
    export: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def crop_fraction(self) -> float:
        """The share of a photo's shorter side that the model sees; `data.augment.central_view` takes it."""
        return self.image_size / self.shorter_side

    def to_json(self) -> str:
        """The text of `model.json`."""
        fields = {
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "options": dict(self.options),
            "parameters": self.parameters,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": {"shorter_side": self.shorter_side, **_RULE},
            "temperature": self.temperature,
            "format": self.file_format,
            "dtype": self.dtype,
            "trained": dict(self.trained),
            "accuracy": dict(self.accuracy),
            "sha256": self.sha256,
            "export": dict(self.export),
        }
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def card_path(model: Path) -> Path:
    """Where the card of a model lies: in its folder, or beside the file (`student.tflite.model.json`)."""
    return model / FILE_NAME if model.is_dir() else model.with_name(f"{model.name}.{FILE_NAME}")


def beside(file: Path) -> Path:
    """The card of an exported file or folder.

    Raises:
        UserError: it is not there.
    """
    path = card_path(file)
    if not path.is_file():
        raise UserError(f"{file} has no {path.name} beside it, which says what it is: keep the two together")
    return path


def read(path: Path) -> ModelCard:
    """Reads a `model.json`.

    Raises:
        UserError: it is not there or cannot be read, is not ours, damaged, or of a newer format version.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): a model of this project has one") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged (no text): write the model again") from error
    except BadModelCardError as error:
        raise UserError(f"{path} {error}") from error


def write(path: Path, card: ModelCard) -> None:
    """Writes a `model.json`, whole or not at all.

    Raises:
        UserError: it could not be written.
    """
    atomic.write_text(path, card.to_json())


def parse(text: str) -> ModelCard:
    """The card in a text, such as the metadata inside a file.

    Raises:
        BadModelCardError: it is no JSON of this format, of a newer version, or a value is impossible.
    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BadModelCardError(f"is damaged ({error}): write the model again") from error
    if not isinstance(fields, dict) or "format_version" not in fields:
        raise BadModelCardError("is not of a model of this project: it has no format_version")
    version = fields["format_version"]
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BadModelCardError(f"has format version {version}, newer than {FORMAT_VERSION}: update jdnet_jax")
    try:
        return _checked(fields)
    except KeyError as error:
        raise BadModelCardError(f"is damaged (it lacks {error.args[0]}): write the model again") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BadModelCardError(f"is damaged ({error}): write the model again") from error


def _checked(fields: Mapping[str, Any]) -> ModelCard:
    classes, size = fields["classes"], fields["image_size"]
    _require(isinstance(fields["format_version"], int), "format_version is not a number")
    _require(isinstance(fields["model"], str), "model is not a name")
    _require(_is_list(classes, str) and len(classes) > 0, "classes is not a list of names")
    _require(_is_whole(size) and size > 0, "image_size is not a number of pixels")
    mean, std = fields["mean"], fields["std"]
    for name, values in (("mean", mean), ("std", std)):
        _require(_is_list(values, (int, float)) and len(values) == 3, f"{name} is not three numbers")
        _require(all(map(math.isfinite, values)), f"{name} is not finite")
    _require(min(std) > 0, "std is not positive")
    resize = fields["resize"]
    _require(isinstance(resize, dict), "resize is not a rule")
    shorter_side = resize["shorter_side"]
    _require(_is_whole(shorter_side) and shorter_side >= size, "resize.shorter_side is below image_size")
    _require({key: resize.get(key) for key in _RULE} == _RULE, f"resize is another rule than {_RULE}")
    temperature = fields.get("temperature", 1.0)  # hand-offs of before temperature scaling do not have it
    _require(isinstance(temperature, (int, float)) and 0 < temperature < math.inf, "temperature is not positive")
    mappings = {name: fields.get(name, {}) for name in ("options", "trained", "accuracy", "export")}
    for name, value in mappings.items():
        _require(isinstance(value, dict), f"{name} is not a section")
    texts = {"format": fields.get("format", "flax"), "dtype": fields.get("dtype", "float32")}
    texts["sha256"] = fields.get("sha256", "")
    for name, value in texts.items():
        _require(isinstance(value, str), f"{name} is not a text")
    return ModelCard(
        model=fields["model"],
        classes=tuple(classes),
        image_size=size,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        shorter_side=shorter_side,
        temperature=float(temperature),
        file_format=texts["format"],
        dtype=texts["dtype"],
        sha256=texts["sha256"],
        parameters=fields.get("parameters"),
        **mappings,
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_list(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
