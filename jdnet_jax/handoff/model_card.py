"""`model.json`: the description that goes with a model, so that nobody needs its training run or config.

The hand-off holds one, and every exported file has one of the same format beside it. This is the one place that reads,
checks and writes it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jdnet_jax.config import views
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError

FORMAT_VERSION = 2  # models that see whole photos, cropped, are still written as version 1
FILE_NAME = "model.json"

#: What a file can be: the hand-off, and what is exported.
FILE_FORMATS = ("flax", "tflite", "stablehlo", "saved_model", "onnx", "coreml", "safetensors")
#: What a model can compute in; the last two are of exported files.
DTYPES = ("float32", "bfloat16", "float16", "dynamic", "int8")

# What no model of ours exceeds; beyond, a file is damaged, or made to take memory or time.
_LARGEST_FILE = 2**26  # bytes
_MOST_CLASSES, _LONGEST_NAME = 100_000, 1_000  # characters
_LARGEST_IMAGE, _LARGEST_RATIO = 4_096, 8  # pixels; of the resized photo's side to the image's
_TEMPERATURES = (1e-3, 1e3)  # fitted ones are from 0.1 to 10, see `calibration`
_PIXEL_VALUES, _DEVIATIONS = (-1e4, 1e4), (1e-3, 1e4)
_MOST_PARAMETERS = 10**12
_LARGEST_OPTION = 65_536  # of a number in a network's options
_DEEPEST, _MOST_VALUES = 12, 100_000  # of a section: how deep it nests, how much is in it

# Rules of the evaluation view by `ModelCard.fit`; another rule would be another format version.
_RESAMPLING = {"method": "bilinear", "antialias": True}
_RULES = {"crop": {"crop": "center", **_RESAMPLING}, "pad": {"pad": 125, **_RESAMPLING}}


class BadModelCardError(Exception):
    """A text is not a model card of this project; the message says why."""


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """The content of `model.json`.

    Attributes:
        model: name of the network in the zoo.
        options: options of the network.
        classes: names of the classes, in the order of the probabilities.
        image_size: side of the images that the model takes, in pixels.
        mean: per-channel RGB mean that is subtracted from images in [0, 255]. In an exported file that is done inside.
            Six where the model takes the region of interest and its context, the region's first.
        std: per-channel RGB deviation that they are then divided by.
        shorter_side: to how many pixels a photo's shorter side is resized (bilinear, antialiased) before the central
            square of `image_size` is cut out; `image_size` where the photo is padded.
        temperature: what the logits are divided by before the softmax. In an exported file that is done inside.
        not_sure_below: the probability of the most probable class below which a photo may be of none of the classes;
            0 where the model is never unsure. What that costs is in `summary.json`.
        file_format: `flax` for a hand-off, or the format of the exported file, such as `tflite`.
        dtype: what the model computes in, such as `float32`, `bfloat16` or `int8`.
        parameters: number of parameters; None where it is not known.
        trained: where the model comes from: versions, device, recipe, dataset, protocol, step, seed.
        accuracy: the entries of `summary.json` by split, of the network before any export.
        sha256: SHA-256 of the network's weights, as `digest.sha256`; '' where it is not known.
        export: the export's facts about its file; empty for a hand-off.
        view: what of a photo the model looks at, one of `views.VIEWS`: all but `photo` need a mask. An exported file of
            `roi+context` takes photo and mask; one of `roi` or `context` takes what was cut out.
        fit: `crop`, or `pad`: the longer side is resized to `image_size`, and the rest of the square is grey.
    """

    model: str
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shorter_side: int
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    temperature: float = 1.0
    not_sure_below: float = 0.0
    file_format: str = "flax"
    dtype: str = "float32"
    parameters: int | None = None
    trained: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    accuracy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sha256: str = ""
    export: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    view: str = views.PHOTO
    fit: str = "crop"

    @property
    def channels(self) -> int:
        """Channels of the network's input: 3, or 6 for `roi+context`."""
        return len(self.mean)

    @property
    def crop_fraction(self) -> float:
        """The share of a photo's shorter side that the model sees; `data.augment.central_view` takes it."""
        return self.image_size / self.shorter_side

    def is_sure(self, probability: float) -> bool | None:
        """Whether a photo whose most probable class has this probability gets an answer; None without a threshold."""
        return probability >= self.not_sure_below if self.not_sure_below else None

    def to_json(self) -> str:
        """The text of `model.json`."""
        is_plain = self.view == views.PHOTO and self.fit == "crop"
        side = {"shorter_side": self.shorter_side} if self.fit == "crop" else {"longer_side": self.image_size}
        fields = {
            "format_version": 1 if is_plain else FORMAT_VERSION,
            "model": self.model,
            "options": dict(self.options),
            "parameters": self.parameters,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": {**side, **_RULES[self.fit]},
            **({} if is_plain else {"view": self.view}),
            "temperature": self.temperature,
            "not_sure_below": self.not_sure_below,
            "format": self.file_format,
            "dtype": self.dtype,
            "trained": dict(self.trained),
            "accuracy": dict(self.accuracy),
            "sha256": self.sha256,
            "export": dict(self.export),
        }
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def card_path(model: Path) -> Path:
    """The path of a model's card: in its folder, or beside the file (`student.tflite.model.json`)."""
    return model / FILE_NAME if model.is_dir() else model.with_name(f"{model.name}.{FILE_NAME}")


def beside(file: Path) -> Path:
    """The card of an exported file or folder.

    Raises:
        UserError: it is not there.
    """
    path = card_path(file)
    if not path.is_file():
        raise UserError(f"{file} has no {path.name} beside it, which describes the model: keep the two files together")
    return path


def read(path: Path) -> ModelCard:
    """Reads a `model.json`.

    Raises:
        UserError: it is not there or cannot be read, is not ours, damaged, or of a newer format version.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BadModelCardError(f"is damaged (larger than {_LARGEST_FILE:,} bytes): write the model again")
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
    except (ValueError, RecursionError) as error:
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
    _require(_is_whole(fields["format_version"], 1, FORMAT_VERSION), "format_version is not a number")
    _require(_is_text(fields["model"]), "model is not a name")
    _require(_is_list(classes, str) and 0 < len(classes) <= _MOST_CLASSES, "classes is not a list of names")
    _require(all(map(_is_text, classes)), "classes has a name that is too long")
    _require(_is_whole(size, 1, _LARGEST_IMAGE), f"image_size is not a number of pixels up to {_LARGEST_IMAGE}")
    view = fields.get("view", views.PHOTO)
    _require(view in views.VIEWS, "view is none that there is")
    numbers, words = (6, "six") if view == views.BOTH else (3, "three")
    mean, std = fields["mean"], fields["std"]
    for name, values, limits in (("mean", mean, _PIXEL_VALUES), ("std", std, _DEVIATIONS)):
        _require(_is_list(values, (int, float)) and len(values) == numbers, f"{name} is not {words} numbers")
        _require(all(_is_number(value, *limits) for value in values), f"{name} is not between {_words(limits)}")
    resize = fields["resize"]
    _require(isinstance(resize, dict), "resize is not a rule")
    fit = "pad" if "longer_side" in resize else "crop"
    shorter_side = resize["shorter_side"] if fit == "crop" else size
    _require(
        _is_whole(shorter_side, size, _LARGEST_RATIO * size),
        f"resize.shorter_side is below image_size or above {_LARGEST_RATIO} times that",
    )
    _require(fit == "crop" or resize["longer_side"] == size, "resize.longer_side is not image_size")
    rule = _RULES[fit]
    _require({key: resize.get(key) for key in rule} == rule, f"resize is another rule than {rule}")
    temperature = fields.get("temperature", 1.0)  # hand-offs of before temperature scaling do not have it
    _require(_is_number(temperature, *_TEMPERATURES), f"temperature is not between {_words(_TEMPERATURES)}")
    not_sure_below = fields.get("not_sure_below", 0.0)
    _require(_is_number(not_sure_below, 0.0, 1.0), "not_sure_below is not a probability")
    parameters = fields.get("parameters")
    _require(parameters is None or _is_whole(parameters, 0, _MOST_PARAMETERS), "parameters is not a number of them")
    mappings = {name: fields.get(name, {}) for name in ("options", "trained", "accuracy", "export")}
    for name, value in mappings.items():
        _require(isinstance(value, dict), f"{name} is not a section")
        _require(_size(value, _DEEPEST) <= _MOST_VALUES, f"{name} holds too much")
    for value in _leaves(mappings["options"]):
        is_small = not isinstance(value, (int, float)) or abs(value) <= _LARGEST_OPTION
        _require(is_small, f"options has a number above {_LARGEST_OPTION}")
    texts = {"format": fields.get("format", "flax"), "dtype": fields.get("dtype", "float32")}
    for name, known in (("format", FILE_FORMATS), ("dtype", DTYPES)):
        _require(texts[name] in known, f"{name} is none of {', '.join(known)}")
    texts["sha256"] = fields.get("sha256", "")
    is_digest = isinstance(texts["sha256"], str) and re.fullmatch("([0-9a-f]{64})?", texts["sha256"]) is not None
    _require(is_digest, "sha256 is not 64 hexadecimal digits")
    return ModelCard(
        model=fields["model"],
        classes=tuple(classes),
        image_size=size,
        mean=tuple(mean),
        std=tuple(std),
        view=view,
        fit=fit,
        shorter_side=shorter_side,
        temperature=float(temperature),
        not_sure_below=float(not_sure_below),
        file_format=texts["format"],
        dtype=texts["dtype"],
        sha256=texts["sha256"],
        parameters=parameters,
        **mappings,
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_list(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _is_whole(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _is_number(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and lowest <= value <= highest


def _words(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g} and {limits[1]:g}"


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _size(value: object, depth: int) -> int:
    """The number of values; a value that nests deeper than this counts as too many."""
    if not isinstance(value, (dict, list)):
        return 1
    if depth == 0:
        return _MOST_VALUES + 1
    return 1 + sum(_size(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value))
