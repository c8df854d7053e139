"""The photos in Parquet files: every row read once, and divided into the splits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jdnet_jax.data import image_check, parquet_rows, photo_file
from jdnet_jax.data.hold_out import stratified_hold_out
from jdnet_jax.data.local_builder import with_progress
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.parquet_rows import Table
from jdnet_jax.data.photo_limits import UnreadablePhotoError
from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError


class Photo(NamedTuple):
    """A row whose photo can be read: SHA-256 of the image file, label, and the bytes to store."""

    digest: bytes
    label: int
    is_kept: bool  # byte for byte


#: The photos of a split by the number of the row, counted through the split's files.
Photos = Mapping[int, Photo]


def read_photos(split: str, tables: Sequence[Table], names: Sequence[str]) -> tuple[Photos, int]:
    """Decodes every photo of a split; returns the readable ones and the number of the others.

    Args:
        split: name of the split, for messages.
        tables: the split's files.
        names: names of the classes.

    Raises:
        UserError: a label is not a class, a row has no image, or more than 1 % of the photos cannot be read.
    """
    numbers = {name: number for number, name in enumerate(names)}

    def look(row: tuple[int, str, bytes | None, object]) -> tuple[int, str, Photo | str]:
        number, where, image, label = row
        known = numbers.get(label, -1) if isinstance(label, str) else label
        if not isinstance(known, int) or not 0 <= known < len(names):
            raise UserError(f"{where}: {_wrong_label(label, split, names)}")
        if image is None:
            raise UserError(f"{where} has no image bytes: the file must hold the images themselves")
        try:
            record = photo_file.to_record(image)
            image_check.decode(record)
        except UnreadablePhotoError as error:
            return number, where, str(error)
        return number, where, Photo(hashlib.sha256(image).digest(), known, record is image)

    photos, bad = {}, {}
    progress = with_progress(range(sum(table.size for table in tables)), f"reading {split} of {tables[0].file.parent}")
    for number, where, result in in_order(look, (row for row, _ in zip(rows(tables), progress, strict=False))):
        if isinstance(result, str):
            bad[where] = result
        else:
            photos[number] = result
    image_check.refuse_many(bad, len(photos) + len(bad), f"{split} of {tables[0].file.parent}")
    return photos, len(bad)


def divide(photos: Mapping[str, Photos], val_fraction: float, test_fraction: float, seed: int) -> dict[str, Photos]:
    """Holds the splits that `photos` lacks out of its train, class by class, by a hash of the photos.

    Copies of a photo stay together; copies under several classes, where at most one can be right, stay in train.

    Args:
        photos: the photos of train, and of val and test where there are any.
        val_fraction: share of each class.
        test_fraction: share of each class.
        seed: seed of the hash that decides.

    Raises:
        UserError: a split would be empty.
    """
    missing = {split: f for split, f in (("test", test_fraction), ("val", val_fraction)) if split not in photos}
    labels_of = defaultdict(set)
    for photo in photos["train"].values():
        labels_of[photo.digest.hex()].add(photo.label)
    labels = {digest: next(iter(members)) for digest, members in labels_of.items() if len(members) == 1}
    held = stratified_hold_out(labels, missing, seed)
    for split, members in held.items():
        if not members:
            raise UserError(f"{split} would hold no photos: no class has enough to hold one out")
    split_of = {digest: split for split, members in held.items() for digest in members}
    divided: dict[str, dict[int, Photo]] = {split: dict(photos.get(split, {})) for split in ("val", "test")}
    divided["train"] = {}
    for number, photo in photos["train"].items():
        divided[split_of.get(photo.digest.hex(), "train")][number] = photo
    return dict(divided)


def rows(tables: Sequence[Table]) -> Iterator[tuple[int, str, bytes | None, int | str | None]]:
    """Each row's number in the split, its place for messages, its image and its label."""
    first = 0
    for table in tables:
        number = 0
        for number, (image, label) in enumerate(parquet_rows.images_and_labels(table)):
            yield first + number, f"{table.file}, row {number}", image, label
        first += table.size


def _wrong_label(label: object, split: str, names: Sequence[str]) -> str:
    hint = "correct it, or dataset.options.names"
    if label == -1 and split == "test":
        hint = "labels of a test that are kept secret are -1; set dataset.options.test='validation' or 'holdout'"
    what = f"the numbers 0 to {len(names) - 1}" if isinstance(label, int) else f"the classes ({listed(names)})"
    return f"label is {label!r}, which is none of {what}: {hint}"
