"""Decoded photos of a split: uint8, a little larger than the views, decoded once into a memory-mapped file.

Views are then cropped and resized from pixels, which takes a fraction of the time of decoding. What does not fit into
free memory is read from the disk; processes of one machine share both. The file is named by all that it was
made of (the records, their split, the size, TensorFlow's version), so another one is made where any of it changes; it
is written aside, and has checksums that every start compares.

OURS: the shorter side is 8/7 of the view's, as evaluation's is by custom (256 for 224), and smaller photos stay as they
are. A crop of less than 49/64 of the area is therefore enlarged, where a photo of full size may still have more detail.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict

from jdnet_jax.data import augment as augmentation
from jdnet_jax.data import records
from jdnet_jax.files import array_file, atomic, checksums
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

#: The value of `config.dataset.cache`.
DECODED = "decoded"

_FORMAT = 1  # of the files
_PIXELS, _PHOTOS = "pixels.bin", "photos.npz"
_ALIGNED = 64  # bytes: where TensorFlow takes a slice without a copy
_SAMPLE = 256  # photos, from which the size of all is estimated
_DECODED_TOGETHER = 16
_OTHERWISE = "or set config.dataset.cache to True or False"


@dataclasses.dataclass(frozen=True)
class DecodedPhotos:
    """The photos of a split, in file order.

    Attributes:
        pixels: uint8 [bytes], RGB, one photo after the other, mapped from the file.
        places: int64 [n, 3]: where each photo begins there, its height and its width.
        labels: int32 [n].
    """

    pixels: tf.Tensor
    places: tf.Tensor
    labels: tf.Tensor

    def numbered(self) -> tf.data.Dataset:
        """(int64 position, int32 label) of each photo; the pipeline shuffles these instead of records."""
        return tf.data.Dataset.from_tensor_slices(self.labels).enumerate()

    def crop(
        self,
        place: Int[tf.Tensor, " 3"],
        draws: Float[tf.Tensor, "draws 4"],
        image_size: int,
        augment: ConfigDict,
    ) -> tuple[UInt8[tf.Tensor, "h w 3"], Int[tf.Tensor, " 4"]]:
        """The `Crop` of the photo at a position, as `augment.crop_encoded` gives it; the window is of its pixels."""
        shape = place[1:]
        window = augmentation.crop_window(tf.cast(shape, tf.int32), draws, augment.crop_scale, augment.crop_ratio)
        photo = tf.slice(self.pixels, place[:1], 3 * tf.reduce_prod(shape, keepdims=True))
        pixels = tf.reshape(photo, tf.concat([shape, [3]], 0))
        return tf.slice(pixels, tf.concat([window[:2], [0]], 0), tf.concat([window[2:], [3]], 0)), window


def side_for(image_size: int) -> int:
    """The shorter side, in pixels, of decoded photos for views of this size."""
    return round(image_size * 8 / 7)


def folder_for(builder: tfds.core.DatasetBuilder, split: str, side: int) -> Path:
    """The folder of a split's decoded photos, beside the records; its name is a digest of the sources."""
    place = Path(builder.data_path)
    parts = [str(_FORMAT), tf.__version__, builder.info.full_name, str(side)]
    for part in builder.info.splits[split].file_instructions:
        parts.append(f"{os.path.basename(part.filename)} {part.skip} {part.take}")
        status = os.stat(part.filename)
        parts.append(f"{status.st_size} {status.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return place.with_name(f"{place.name}-decoded-{digest}")


def read(folder: Path) -> DecodedPhotos | None:
    """The decoded photos in a folder; None if it is absent or damaged, and damage is reported."""
    if not folder.is_dir():
        return None
    if (damage := checksums.damage(folder)) is not None:
        say(f"note: in {folder} {damage}: the photos are decoded again")
        return None
    arrays = array_file.read(folder / _PHOTOS)
    size = (folder / _PIXELS).stat().st_size
    if (room := records.room_for_cache()) < size:
        say(
            f"note: the decoded photos are {size / 1e9:.1f} GB, more than the {room / 1e9:.1f} GB of memory that are "
            "available: the rest is read from the disk, photo by photo"
        )
    with tf.device("CPU:0"):
        pixels = tf.raw_ops.ImmutableConst(
            dtype=tf.uint8, shape=[size], memory_region_name=os.fspath((folder / _PIXELS).absolute())
        )
        return DecodedPhotos(pixels, tf.constant(arrays["places"]), tf.constant(arrays["labels"]))


def write(folder: Path, photos: tf.data.Dataset, count: int, side: int) -> None:
    """Decodes photos into a folder, completely or not at all.

    Args:
        folder: the folder to make.
        photos: (position, serialized `tf.train.Example`) of each photo.
        count: number of photos.
        side: the shorter side, in pixels, to which larger photos are shrunk.

    Raises:
        UserError: they do not fit on the disk, or cannot be written.
    """
    say(f"decoding {count:,} photos once, to {side} pixels, into {folder}")
    try:
        with atomic.replaced_folder(folder) as new:
            with open(new / _PIXELS, "wb") as file:
                places, labels = [], []
                for pixels, label in _decoded(photos, side):
                    places.append((file.tell(), *pixels.shape[:2]))
                    labels.append(label)
                    file.write(pixels.tobytes())
                    file.write(bytes(-file.tell() % _ALIGNED))
                    if len(labels) == min(count, _SAMPLE):
                        _check_room(folder, file.tell() * count // len(labels))
                file.flush()
                os.fsync(file.fileno())
            arrays: dict[str, np.ndarray] = {"places": np.array(places, np.int64), "labels": np.array(labels, np.int32)}
            array_file.write(new / _PHOTOS, arrays)
            checksums.write(new)
    except OSError as error:
        raise UserError(
            f"config.dataset.cache={DECODED!r}: {folder} could not be written ({error.strerror or error}): make room, "
            f"prepare the data in another TFDS_DATA_DIR, {_OTHERWISE}"
        ) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise UserError(
            f"config.dataset.cache={DECODED!r}: the decoded photos take about {needed / 1e9:.2f} GB, and "
            f"{free / 1e9:.2f} GB are free in {folder.parent}: make room, prepare the data in another TFDS_DATA_DIR, "
            f"{_OTHERWISE}"
        )


def _decoded(photos: tf.data.Dataset, side: int) -> Iterator[tuple[UInt8[np.ndarray, "h w 3"], int]]:
    def decode(_: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        encoded, label = records.parse(serialized[None])
        return augmentation.shrunk(encoded[0], side), label[0]

    stream = photos.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(_DECODED_TOGETHER)
    return stream.as_numpy_iterator()
