"""CIFAR-10 whose images were once recompressed as JPEG, from a folder with `train.parquet` and `test.parquet`.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009: 50,000 train and 10,000 test images of 32 x
32 pixels, 10 classes. Results on these files are not quite comparable with those on the original, lossless images,
which TFDS has as `cifar10`; so this set has a name of its own and its protocol says so.

The files' columns are `image` (the bytes of an image file, or a struct with a field `bytes` that holds them) and
`label` (an integer, 0 to 9). Their rows are sorted by class, which does no harm: TFDS writes records in the order of a
hash of their keys.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import tensorflow_datasets as tfds

from jdnet_jax.data import image_check
from jdnet_jax.data.hold_out import stratified_hold_out
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.local_builder import LocalBuilder, LocalConfig
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = ("train.parquet", "test.parquet")

_MAX_BYTES = 2**32  # of a file; those that there are have 120 MB
_HOLDOUT_FRACTION = 0.1
_HOLDOUT_SEED = 0


@dataclasses.dataclass(frozen=True)
class Row:
    """One image: the bytes of its file, their SHA-256 as hexadecimal digits, and its label."""

    image: bytes
    digest: str
    label: int


def create(raw_dir: str, store: str | None) -> Cifar10Jpeg:
    """The builder for a folder, whose records lie in a place that a digest of the files names.

    Args:
        raw_dir: the folder that holds `train.parquet` and `test.parquet`.
        store: TFDS data directory; None for TFDS's default.

    Raises:
        UserError: one of the files is not there or cannot be read.
    """
    sha = hashlib.sha256()
    for name in FILES:
        try:
            sha.update(hashlib.sha256(user_files.read_bytes(Path(raw_dir) / name, _MAX_BYTES)).digest())
        except OSError as error:
            raise UserError(
                f"dataset.data_dir={raw_dir!r}: {name} cannot be read there ({error.strerror}); name the folder that "
                f"holds {' and '.join(FILES)} of CIFAR-10, or use TFDS's cifar10"
            ) from error
    return Cifar10Jpeg(data_dir=store, config=LocalConfig(name=sha.hexdigest()[:12], raw_dir=raw_dir))


class Cifar10Jpeg(LocalBuilder):
    """Builder of CIFAR-10 from JPEG files in Parquet; made by `create`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="CIFAR-10 (Krizhevsky, 2009), its images recompressed as JPEG.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(32, 32, 3)),
                    "label": tfds.features.ClassLabel(names=list(CLASS_NAMES)),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        official, test = (read_rows(Path(self.builder_config.raw_dir) / name) for name in FILES)
        train, val = hold_out(official)
        self.info.metadata["protocol"] = (
            "images recompressed as JPEG, so not quite comparable with the original CIFAR-10; test is the official "
            f"one; val is {100 * _HOLDOUT_FRACTION:g} % of each class of the official train, by a hash of the images, "
            f"seed {_HOLDOUT_SEED}"
        )
        return {
            split: self._generate_examples(split, rows)
            for split, rows in (("train", train), ("val", val), ("test", test))
        }

    def _generate_examples(self, split: str, rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, row in enumerate(rows):
            yield f"{row.digest}:{number}", {"image": io.BytesIO(row.image), "label": row.label}


def read_rows(file: Path) -> list[Row]:
    """The images of a file, each decoded once to be sure of it.

    Raises:
        UserError: the file is not Parquet, lacks a column, or a row holds no 32 x 32 image or no label of 0 to 9.
    """
    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            for name in ("image", "label"):
                if name not in names:
                    raise UserError(f"{file} has no column {name}; it has {', '.join(names)}")
            table = parquet.read(columns=["image", "label"])
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}): get a sound copy") from error
    rows = []
    for number, (image, label) in enumerate(zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True)):
        image = image.get("bytes") if isinstance(image, dict) else image
        where = f"{file}, row {number}"
        if not isinstance(label, int) or not 0 <= label < len(CLASS_NAMES):
            raise UserError(f"{where}: label is {label!r}, not an integer of 0 to {len(CLASS_NAMES) - 1}")
        if not isinstance(image, bytes):
            raise UserError(f"{where}: image is {type(image).__name__}, not the bytes of an image file")
        try:
            shape = image_check.decode(image).shape
        except UnreadablePhotoError as error:
            raise UserError(f"{where}: the image is {error}: get a sound copy") from error
        if shape != (32, 32, 3):
            raise UserError(f"{where}: the image has {shape[1]} x {shape[0]} pixels, CIFAR-10's have 32 x 32")
        rows.append(Row(image, hashlib.sha256(image).hexdigest(), label))
    if not rows:
        raise UserError(f"{file} has no rows")
    return rows


def hold_out(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Train and val: a tenth of each class, chosen by a hash of the images, so that equal ones are never parted."""
    # An image that is there under two labels counts for the greater, wherever its rows stand.
    labels = {row.digest: row.label for row in sorted(rows, key=lambda row: row.label)}
    held = stratified_hold_out(labels, {"val": _HOLDOUT_FRACTION}, _HOLDOUT_SEED)["val"]
    return [row for row in rows if row.digest not in held], [row for row in rows if row.digest in held]
