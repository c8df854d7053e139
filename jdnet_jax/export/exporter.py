"""The export of a student to one file, which is tested before it is put in place."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from jdnet_jax import __version__
from jdnet_jax.config import views
from jdnet_jax.data import Dataset
from jdnet_jax.data.datasets import find_prepared
from jdnet_jax.export import comparison, formats, inference_function, pictures, to_safetensors
from jdnet_jax.export.comparison import Comparison
from jdnet_jax.export.pictures import Pictures
from jdnet_jax.export.placement import placed
from jdnet_jax.figures import intervals
from jdnet_jax.files.size_on_disk import size_on_disk
from jdnet_jax.handoff import model_card, sums
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.flax_runner import FlaxRunner
from jdnet_jax.inference.open import open_model, open_student
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say
from jdnet_jax.run.workdir import Workdir

_OF_TWO_INPUTS = ("tflite", "stablehlo")
_CALIBRATION, _COMPARISON = 256, 2_000  # pictures at most
_FEW = 100  # photos to calibrate with, below which the user is warned


@dataclasses.dataclass(frozen=True)
class Request:
    """A request for an export: source, format and options.

    Attributes:
        source: what `open_student` opens: a workdir, say, or `hf-hub:OWNER/NAME`.
        file_format: one of `formats.FORMATS`.
        quantize: one of `formats.DTYPES`.
        output: path of the file to write.
        calibrate: a folder of photos to calibrate with and, apart from these, to compare on; None for the run's
            dataset.
        allow_loss: whether a quantised file may lose any accuracy.
        author: author, for the file's metadata.
        licence: licence, for the file's metadata.
        outputs: one of the format's `outputs`; '' for its default.
    """

    source: Path
    file_format: str
    quantize: str
    output: Path
    calibrate: Path | None = None
    allow_loss: bool = False
    author: str = ""
    licence: str = ""
    outputs: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """The report of an export.

    Attributes:
        output: path of the written file or folder.
        size: size in bytes, of a folder that of all its files.
        comparison: comparison with the student; None where the file cannot be run here.
    """

    output: Path
    size: int
    comparison: Comparison | None

    def __str__(self) -> str:
        compared = self.comparison
        written = f"{self.output}: {self.size:,} bytes"
        if compared is None:
            return (
                f"{written}\nnot compared with the student, because nothing here runs it: compare it where it is to run"
            )
        lines = [
            written,
            f"on {compared.source}: the same class as the student on "
            f"{intervals.share(compared.agreement, compared.count)}, largest difference of a probability "
            f"{compared.largest_difference:.2g}",
        ]
        if compared.top1 is not None:
            student, file = (intervals.share(top1, compared.count, of=False) for top1 in compared.top1)
            lines.append(f"top-1 there: student {student}, file {file}")
        few = compared.count < intervals.ENOUGH_PHOTOS
        if few and compared.largest_difference > comparison.MAX_DIFFERENCE:  # no rounding of a sum does that
            lines.append(
                f"{compared.count} photos are few to judge by: test the file on others, with "
                f"{command_line.shown('evaluate')} --model={shlex.quote(str(self.output))} --photos=FOLDER"
            )
        return "\n".join(lines)


def export(request: Request) -> Report:
    """Writes the file, compares its answers with the student's, and puts it in place if they agree.

    Raises:
        UserError: a mistake in the request, a network that the format cannot express, no calibration pictures, or a
            file that is not good enough.
    """
    chosen = formats.check(request.file_format, request.quantize, request.outputs)
    outputs = (request.outputs or chosen.outputs[0]).split("+")
    opened = open_student(request.source)
    variables = jax.device_get(opened.variables)
    card = dataclasses.replace(opened.card, dtype="float32")  # what every exported file is compared with
    if card.view == views.BOTH and (request.file_format not in _OF_TWO_INPUTS or request.quantize != "none"):
        raise UserError(
            f"{card.model} takes a photo and a mask, which only --format={' and '.join(_OF_TWO_INPUTS)} can express "
            "here, with --quantize=none: choose one of these"
        )
    student = FlaxRunner(card, variables, request.source)
    with placed(request.output, chosen.suffix) as path:
        dataset = _dataset_of(request.source, card)
        calibration = _calibration(request, dataset, card) if request.quantize == "int8" else None
        card = dataclasses.replace(
            card,
            file_format=request.file_format,
            dtype=formats.DTYPES[request.quantize],
            export={**_origin(calibration), "outputs": outputs},
        )
        say(f"converting {card.model} to {request.file_format} ({card.dtype}) ...")
        _write(path, request, outputs, variables, card, calibration)
        _describe(path, card)
        size, compared = size_on_disk(path), None
        about = {**card.export, "bytes": size}
        if chosen.runs_here:
            say("comparing the file with the student ...")
            compared = comparison.compare(student, open_model(path), _to_compare(request, dataset, card))
            comparison.check(compared, request.quantize, request.allow_loss)
            about["comparison"] = compared.summary()
        _describe(path, dataclasses.replace(card, export=about))
    return Report(request.output, size, compared)


def _write(
    path: Path,
    request: Request,
    outputs: Sequence[str],
    variables: Mapping[str, PyTree],
    card: ModelCard,
    calibration: Pictures | None,
) -> None:
    author = request.author or str(card.trained.get("with", "not told"))
    licence = request.licence or "not told"
    if request.file_format == "safetensors":
        to_safetensors.write(path, variables, card, author, licence)
        return
    function = inference_function.create(card, variables, request.source)
    match request.file_format:
        case "tflite":
            from jdnet_jax.export import tflite_file, to_tflite

            images = None if calibration is None else calibration.images
            converted = to_tflite.convert(function, request.quantize, images, outputs)
            path.write_bytes(tflite_file.finish(converted, card, author, licence, outputs))
        case "stablehlo":
            from jdnet_jax.export import to_stablehlo

            path.write_bytes(to_stablehlo.convert(function))
        case "saved_model":
            from jdnet_jax.export import to_saved_model

            to_saved_model.write(function, path)
        case "coreml":
            from jdnet_jax.export import to_coreml

            to_coreml.write(function, path, request.quantize, author, licence, outputs)
        case "onnx":
            from jdnet_jax.export import to_onnx

            try:
                path.write_bytes(to_onnx.convert(function, author, licence))
            except NotImplementedError as error:
                raise UserError(
                    f"{card.model} cannot be exported to ONNX ({error}): choose --format=tflite, stablehlo, "
                    "saved_model or safetensors"
                ) from error


def _describe(path: Path, card: ModelCard) -> None:
    model_card.write(model_card.card_path(path), card)
    sums.seal(path)


def _dataset_of(source: Path, card: ModelCard) -> Dataset | None:
    """The dataset of the hand-off's run, if it is prepared on this machine."""
    for folder in (source, source.absolute().parent):
        place = Workdir(folder)
        if place.config.is_file():
            try:
                dataset = find_prepared(place.dataset_config())
            except UserError as error:
                say(f"note: the run's dataset is not used: {error}")
                return None
            return dataset if dataset is not None and dataset.class_names == card.classes else None
    return None


def _calibration(request: Request, dataset: Dataset | None, card: ModelCard) -> Pictures:
    if request.calibrate is not None:
        chosen = pictures.of_folder(request.calibrate, card, _CALIBRATION, pictures.CALIBRATION)
    elif dataset is not None:
        chosen = pictures.of_split(dataset, "train", card, _CALIBRATION)
    else:
        raise UserError(_NO_PHOTOS)
    if len(chosen.images) < _FEW:
        say(
            f"warning: {chosen.source} are too few to calibrate the ranges of activations well: the file may be much "
            f"worse than the student; give {_FEW} or more with --calibrate=FOLDER"
        )
    return chosen


_NO_PHOTOS = (
    "--quantize=int8 needs photos to find the ranges of activations, and the dataset of this student is not "
    "prepared here: name a folder with some hundred of them by --calibrate=FOLDER"
)


def _to_compare(request: Request, dataset: Dataset | None, card: ModelCard) -> Pictures:
    if dataset is not None:
        return pictures.of_split(dataset, "val", card, _COMPARISON)
    if request.calibrate is not None:
        part = pictures.HELD_OUT if request.quantize == "int8" else pictures.ALL
        return pictures.of_folder(request.calibrate, card, _COMPARISON, part)
    return pictures.drawn(card)


def _origin(calibration: Pictures | None) -> dict[str, Any]:
    about = {"with": f"jdnet_jax {__version__}, jax {jax.__version__}"}
    return about if calibration is None else {**about, "calibration": calibration.source}
