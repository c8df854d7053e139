"""Photos and labels in one Parquet file, read a few rows at a time.

An image is the bytes of an image file (column of binary), or a struct whose field `bytes` holds them. A label is a
class's number or its name. The schema's metadata may hold, under `huggingface`, a JSON of `info.features` in which a
`ClassLabel` has the names of the classes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
from pyarrow import types

from jdnet_jax.process.errors import UserError

_ROWS_TOGETHER = 64
_READ_TOGETHER = 1 << 20  # bytes: a row group may be the whole file, and is never in memory as such


@dataclasses.dataclass(frozen=True)
class Table:
    """The schema of a file, read before its rows; made by `inspect`.

    Attributes:
        file: the file.
        image: name of the images' column.
        label: name of the labels' column.
        size: number of rows.
        names: names of the classes in the order of their numbers, from the metadata; None where it has none.
        layout: the sizes of the file's parts, which tell it from most other contents.
    """

    file: Path
    image: str
    label: str
    size: int
    names: tuple[str, ...] | None
    layout: str


def inspect(file: Path, image: str, label: str) -> Table:
    """Reads the schema of a file.

    Args:
        file: the file.
        image: name of the images' column.
        label: name of the labels' column.

    Raises:
        UserError: the file is not Parquet, lacks a column, or has one of another type.
    """
    with _opened(file) as parquet:
        schema, metadata = parquet.schema_arrow, parquet.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    for option, name in (("image_column", image), ("label_column", label)):
        if name not in schema.names:
            raise UserError(
                f"{file} has no column {name!r}; it has {', '.join(schema.names)}: set dataset.options.{option}"
            )
    images, labels = schema.field(image).type, schema.field(label).type
    if not (_is_binary(images) or (types.is_struct(images) and _is_binary(_field(images, "bytes")))):
        raise UserError(f"{file}: column {image!r} is {images}, neither binary nor a struct with binary 'bytes'")
    labels = labels.value_type if types.is_dictionary(labels) else labels
    if not (types.is_integer(labels) or types.is_string(labels) or types.is_large_string(labels)):
        raise UserError(f"{file}: column {label!r} is {labels}, neither an integer nor a string for each photo")
    return Table(
        file,
        image,
        label,
        metadata.num_rows,
        _class_names(schema.metadata, label),
        repr([(group.num_rows, group.total_byte_size) for group in groups]),
    )


def images_and_labels(table: Table) -> Iterator[tuple[bytes | None, int | str | None]]:
    """The image, as the bytes of an image file, and the label of each row, in order; None for a missing one.

    Raises:
        UserError: the file is damaged.
    """
    with _opened(table.file) as parquet:
        is_struct = types.is_struct(parquet.schema_arrow.field(table.image).type)
        columns = [f"{table.image}.bytes" if is_struct else table.image, table.label]
        for batch in parquet.iter_batches(_ROWS_TOGETHER, columns=columns):
            images = batch.column(table.image).to_pylist()
            if is_struct:
                images = [None if image is None else image["bytes"] for image in images]
            yield from zip(images, batch.column(table.label).to_pylist(), strict=True)


def labels(table: Table) -> Iterator[int | str | None]:
    """The label of each row, without reading the images.

    Raises:
        UserError: the file is damaged.
    """
    with _opened(table.file) as parquet:
        for batch in parquet.iter_batches(columns=[table.label]):
            yield from batch.column(table.label).to_pylist()


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(file, buffer_size=_READ_TOGETHER, pre_buffer=False) as parquet:
            yield parquet
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(
            f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}): get an intact copy"
        ) from error


def _is_binary(kind: pyarrow.DataType | None) -> bool:
    return kind is not None and (types.is_binary(kind) or types.is_large_binary(kind))


def _field(struct: pyarrow.StructType, name: str) -> pyarrow.DataType | None:
    index = struct.get_field_index(name)
    return struct.field(index).type if index >= 0 else None


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """The class names in the metadata of the label's column; None if it has none in the hub's form."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    fits = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return tuple(names) if fits else None
