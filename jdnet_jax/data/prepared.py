"""Integrity of prepared datasets: their files, their records, and `dataset_info.json`."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import image_check, photo_limits
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.parallel import in_order
from jdnet_jax.files import atomic, checksums, user_files
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

INFO = "dataset_info.json"

_FRAME = 16  # bytes of a TFRecord file around each record: its length and two checksums
_RECORDS = ".tfrecord"
_LOOKED_AT = "PHOTOS_LOOKED_AT"  # the file that records the check of the photos
_SAY_EVERY = 10_000  # photos


def seal(folder: Path) -> None:
    """Writes the checksums of a newly prepared dataset, if this process can write there."""
    with contextlib.suppress(OSError):
        checksums.write(folder)


def check(builder: tfds.core.DatasetBuilder) -> None:
    """Checks a prepared dataset without reading its records: the other files, the number and size of the records.

    The records have separate checksums, which their reader compares; `explained` tells what it finds.

    Raises:
        UserError: names the file that is missing, damaged or replaced, and how to make it again.
    """
    folder = Path(builder.data_path)
    damage = _damage(folder)
    if damage:
        raise UserError(f"{damage}: {_anew(folder)}")
    if not builder.info.splits:
        raise UserError(f"{folder / INFO} is missing or names no splits: {_anew(folder)}")
    try:
        splits = {name: (split, [*split.filepaths]) for name, split in builder.info.splits.items()}
    except Exception as error:  # a damaged template of file names raises anything
        raise UserError(f"{folder / INFO} is damaged ({_first_line(error)}): {_anew(folder)}") from error
    differing = []
    for name, (split, paths) in splits.items():
        if sum(_size(str(path), folder) for path in paths) == split.num_bytes + _FRAME * split.num_examples:
            continue
        for path, expected in zip(paths, split.shard_lengths, strict=True):
            count = _count(str(path))
            if count != expected:
                has = "is cut off or damaged" if count is None else f"holds {count} records"
                raise UserError(f"{path} {has}, but {INFO} lists {expected} records: {_anew(folder)}")
        differing.append(name)
    # Early versions of TFDS counted bytes otherwise, in all splits alike.
    if 0 < len(differing) < len(splits):
        raise UserError(
            f"the records of {differing[0]} in {folder} have other sizes than {INFO} says, as if they were of another "
            f"split or dataset: {_anew(folder)}"
        )


def check_photos(builder: tfds.core.DatasetBuilder) -> None:
    """Checks once that the photos of a dataset that TFDS prepared are within `photo_limits`, since TFDS checks none.

    A file beside the records remembers the check, if one can be written there; it is valid for these records only.

    Raises:
        UserError: names the first photo that is not, and its record.
    """
    folder = Path(builder.data_path)
    parts = [part for split in builder.info.splits.values() for part in split.file_instructions]
    about = "".join(f"{part.filename} {_size(part.filename, folder)}\n" for part in parts)
    place = folder.with_name(f"{folder.name}.{_LOOKED_AT}")  # in the folder itself it would be no file of the list
    known = hashlib.sha256(about.encode()).hexdigest() + "\n"
    with contextlib.suppress(OSError):
        if user_files.read_bytes(place, len(known)) == known.encode():
            return
    total = sum(split.num_examples for split in builder.info.splits.values())
    photos = itertools.chain.from_iterable(map(_photos, parts))
    with photo_limits.quiet_pillow():
        for number, fault in enumerate(in_order(_fault, photos)):
            if number % _SAY_EVERY == 0 and total > _SAY_EVERY:
                say(f"looking at the photos of {builder.info.full_name}, once: {number} of {total}")
            if fault:
                raise UserError(
                    f"{fault}: take it out of the source, and delete the folder {folder} to prepare it anew"
                )
    with contextlib.suppress(UserError):
        atomic.write_text(place, known)


def _photos(part: tfds.core.FileInstruction) -> Iterator[tuple[str, int, bytes]]:
    feature = {"image": tf.io.FixedLenFeature([], tf.string)}
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(part.filename).as_numpy_iterator()):
            yield part.filename, number, tf.io.parse_single_example(record, feature)["image"].numpy()
    except tf.errors.OpError:
        return  # reported when it is read for training or testing


def _fault(photo: tuple[str, int, bytes]) -> str | None:
    file, number, content = photo
    try:
        photo_limits.check(content)
    except UnreadablePhotoError as error:
        return f"the photo of record {number} in {file} cannot be used ({error})"
    return None


@contextlib.contextmanager
def explained(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[None]:
    """Wraps the reading of a split's records, and explains errors.

    Raises:
        UserError: names the file or the photo that cannot be read, and how to make it again.
    """
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        tf.errors.NotFoundError,
        tf.errors.FailedPreconditionError,
        tf.errors.PermissionDeniedError,
    ) as error:
        what = _first_fault(builder, split) or f"a record cannot be read ({_first_line(error)})"
        raise UserError(f"{what}: {_anew(Path(builder.data_path))}") from error


@contextlib.contextmanager
def opening(store: Path, name: str) -> Iterator[None]:
    """Wraps the creation of a builder, which reads what it prepared before.

    Args:
        store: TFDS's data directory.
        name: name of the builder.

    Raises:
        UserError: names the prepared file that cannot be read.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a damaged JSON file makes TFDS's reader raise anything
        for file in sorted((store / name.split("/")[0].split(":")[0]).rglob(INFO)):
            fault = _fault_of_info(file) or _damage(file.parent)
            if fault:
                raise UserError(f"{fault}: {_anew(file.parent)}") from error
        raise


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _anew(folder: Path) -> str:
    return f"delete the folder {folder}, and the same command prepares it anew"


def _damage(folder: Path) -> str | None:
    """The damage that checksums show in files other than the records, which have their own; None if there is none."""
    if not (folder / checksums.NAME).is_file():
        return None
    damage = checksums.damage(folder, lambda name: _RECORDS not in name)
    return f"in {folder} {damage}" if damage else None


def _fault_of_info(file: Path) -> str | None:
    try:
        info = tfds.core.dataset_info.read_proto_from_builder_dir(file.parent)
        if info.file_format:
            tfds.core.FileFormat.from_value(info.file_format)
        if info.version != file.parent.name:
            raise ValueError(f"it is of version {info.version or 'none'}")
    except Exception as error:  # as above
        return f"{file} is damaged ({_first_line(error)})"
    return None


def _size(path: str, folder: Path) -> int:
    try:
        status = tf.io.gfile.stat(path)
    except tf.errors.OpError:
        raise UserError(f"{path} is missing: {_anew(folder)}") from None
    if status.is_directory:
        raise UserError(f"{path} is a folder, where records must be: {_anew(folder)}")
    return status.length


def _count(path: str) -> int | None:
    """The number of records in a file, counted by their lengths; None if they do not end with the file."""
    with tf.io.gfile.GFile(path, "rb") as file:
        size, position, count = file.size(), 0, 0
        while position < size:
            file.seek(position)
            head = file.read(8)
            if len(head) < 8:
                return None
            position += struct.unpack("<Q", head)[0] + _FRAME
            count += 1
    return count if position == size else None


def _first_fault(builder: tfds.core.DatasetBuilder, split: str) -> str | None:
    """The first file of a split with a record that cannot be read, or the first photo that cannot be decoded."""
    logging.warning("looking for unreadable records in %s of %s", split, builder.data_path)
    for part in builder.info.splits[split].file_instructions:
        number = 0
        try:
            for serialized in tf.data.TFRecordDataset(part.filename).as_numpy_iterator():
                features = tf.train.Example.FromString(serialized).features.feature
                image_check.decode(features["image"].bytes_list.value[0])
                number += 1
        except tf.errors.NotFoundError:
            return f"{part.filename} is missing"
        except tf.errors.OpError:
            return f"{part.filename} is damaged at record {number}"
        except UnreadablePhotoError as error:
            path = features["path"].bytes_list.value if "path" in features else ()
            which = f", {os.fsdecode(path[0])}," if path else ""
            return f"the photo of record {number}{which} in {part.filename} cannot be used ({error})"
        except Exception as error:  # a record that is no example
            return f"{part.filename} is damaged at record {number} ({type(error).__name__})"
    return None
