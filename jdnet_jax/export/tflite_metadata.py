"""TFLite metadata inside a model file, for tools that read it, written by the public schema.

Schema: `metadata_schema.fbs` of the TensorFlow Lite Support library, version 1.1.0, file identifier M001. It is a
separate flatbuffer in a buffer of the model that is named `TFLITE_METADATA`; the files that it refers to are a zip
archive, not compressed, after the model. The packages that write it are no longer maintained, so the few tables that a
classifier needs are written here, field by field; the numbers are the fields' places in the schema.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
from flatbuffers import number_types

from jdnet_jax.config import views
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.process.printable import printable

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"

_FILE_IDENTIFIER, _MIN_PARSER_VERSION = b"M001", "1.0.0"
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_RGB, _TENSOR_AXIS_LABELS = 1, 2


def metadata(card: ModelCard, author: str, licence: str, outputs: Sequence[str]) -> bytes:
    """The metadata of an exported student.

    Its input is the pixels as they are, because the normalisation is inside the file: mean 0 and deviation 1. The
    input's description has the values of the training.
    """
    builder = flatbuffers.Builder(1024)
    size = card.image_size
    image = _tensor(
        builder,
        name="image",
        description=(
            f"RGB photo, {_how_resized(card)}; values 0 to 255. Inside, mean {_numbers(card.mean)} is subtracted and "
            f"the rest divided by {_numbers(card.std)}."
        ),
        dimensions=("batch", "height", "width", "channel"),
        content=_content(builder, _IMAGE, {0: _int8(_RGB), 1: _table(builder, {0: _uint32(size), 1: _uint32(size)})}),
        process_units=[_normalization(builder)],
        stats=_table(builder, {0: _floats(builder, [255.0]), 1: _floats(builder, [0.0])}),
    )
    labels = _table(
        builder,
        {0: _string(builder, LABELS), 1: _string(builder, "names of the classes"), 2: _int8(_TENSOR_AXIS_LABELS)},
    )
    probabilities = _tensor(
        builder,
        name="probabilities",
        description=f"of the classes, temperature {card.temperature:g} applied",
        dimensions=("batch", "class"),
        content=_content(builder, _FEATURE, {}),
        stats=_table(builder, {0: _floats(builder, [1.0]), 1: _floats(builder, [0.0])}),
        files=[labels],
    )
    activation = _tensor(
        builder,
        name="activation",
        description="class activation map of the most probable class, not negative: where the network looked",
        dimensions=("batch", "height", "width", "channel"),
        content=_content(builder, _FEATURE, {}),
    )
    inputs = [image]
    if card.view == views.BOTH:
        mask = _tensor(
            builder,
            name="mask",
            description="of the food, resized as the photo is, to the nearest pixel: 0 where it is not; cut out inside",
            dimensions=("batch", "height", "width", "channel"),
            content=_content(builder, _FEATURE, {}),
        )
        inputs.append(mask)
    described = {"probabilities": probabilities, "activation": activation}
    results = [described[name] for name in outputs]
    graph = _table(builder, {2: _vector(builder, inputs), 3: _vector(builder, results)})
    texts = {
        0: card.model,
        1: f"{card.model}, {len(card.classes)} classes, {card.dtype}, exported by jdnet_jax",
        4: author,
        5: licence,
        7: _MIN_PARSER_VERSION,
    }
    root = _table(
        builder, {3: _vector(builder, [graph]), **{key: _string(builder, text) for key, text in texts.items()}}
    )
    builder.Finish(_offset_of(root), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _how_resized(card: ModelCard) -> str:
    size = card.image_size
    if card.fit == "pad":
        return f"its longer side resized to {size} pixels, in the middle of a grey square of {size} x {size}"
    return f"its shorter side resized to {card.shorter_side} pixels and the central {size} x {size} cut out"


def append_labels(model: bytes, classes: Sequence[str]) -> bytes:
    """The model file with the class names appended, one per line."""
    content = io.BytesIO(model)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_STORED) as archive:
        # A date would make every export a different file.
        archive.writestr(zipfile.ZipInfo(LABELS), "".join(f"{printable(name)}\n" for name in classes))
    return content.getvalue()


#: A field's kind of number, and its value.
_Field = tuple[Any, int]


def _int8(value: int) -> _Field:
    return number_types.Int8Flags, value


def _uint32(value: int) -> _Field:
    return number_types.Uint32Flags, value


def _offset(value: int) -> _Field:
    return number_types.UOffsetTFlags, value


def _offset_of(field: _Field) -> int:
    return field[1]


def _table(builder: flatbuffers.Builder, fields: Mapping[int, _Field]) -> _Field:
    """Writes a table with these fields."""
    builder.StartObject(max(fields, default=-1) + 1)
    for place, (kind, value) in fields.items():
        if kind is number_types.UOffsetTFlags:
            builder.PrependUOffsetTRelativeSlot(place, value, 0)
        else:
            builder.PrependSlot(kind, place, value, 0)
    return _offset(builder.EndObject())


def _string(builder: flatbuffers.Builder, text: str) -> _Field:
    return _offset(builder.CreateString(text))


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> _Field:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return _offset(builder.EndVector())


def _vector(builder: flatbuffers.Builder, fields: Sequence[_Field]) -> _Field:
    builder.StartVector(4, len(fields), 4)
    for field in reversed(fields):
        builder.PrependUOffsetTRelative(_offset_of(field))
    return _offset(builder.EndVector())


def _content(builder: flatbuffers.Builder, kind: int, properties: Mapping[int, _Field]) -> _Field:
    return _table(builder, {0: _int8(kind), 1: _table(builder, properties)})


def _normalization(builder: flatbuffers.Builder) -> _Field:
    options = _table(builder, {0: _floats(builder, [0.0]), 1: _floats(builder, [1.0])})
    return _table(builder, {0: _int8(_NORMALIZATION), 1: options})


def _tensor(
    builder: flatbuffers.Builder,
    *,
    name: str,
    description: str,
    dimensions: Sequence[str],
    content: _Field,
    process_units: Sequence[_Field] = (),
    stats: _Field | None = None,
    files: Sequence[_Field] = (),
) -> _Field:
    """Writes a TensorMetadata."""
    fields = {
        0: _string(builder, name),
        1: _string(builder, description),
        2: _vector(builder, [_string(builder, dimension) for dimension in dimensions]),
        3: content,
    }
    if process_units:
        fields[4] = _vector(builder, process_units)
    if stats is not None:
        fields[5] = stats
    if files:
        fields[6] = _vector(builder, files)
    return _table(builder, fields)


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
