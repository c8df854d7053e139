"""iMaterialist Challenge on Product Recognition (FGVC6 workshop, CVPR 2019): 2,019 classes of products.

https://github.com/msight-tech/imaterialist-product-2019, kaggle.com/c/imaterialist-product-2019.

What the organisers' page says of the files: `train.json` (1,011,532 images of the web, noisy labels, 158 to 1,050 a
class) and `val.json` (10,095 images, cleaned by people, about 5 a class) are objects with a list `images` of objects
with `id`, `class` (an integer) and `url`; `test.json` (90,834 images) lacks `class`. The file name of an image is its
`id`. Users download the images from their URLs, many of which are gone. The classes have no names; `product_tree.json`
puts their numbers, 0 to 2,018, into a hierarchy that the challenge does not score, and that is not read here. The rules
allow val for validation only, and of train the images alone.

What we assume, as the page leaves it open: the images lie in folders `train` and `val` beside the JSON files.

    root/train.json    root/train/<id>
    root/val.json      root/val/<id>

The labels of the official test are not public. So here `test` is the official val, and `val` is held out of train. Both
the size of `test` and its labels differ from the challenge's, which also scored the top 3: results are not comparable
with its leaderboard, and the protocol tells how many images were there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any

import tensorflow_datasets as tfds

from jdnet_jax.data import image_check, photo_file
from jdnet_jax.data.hold_out import stratified_hold_out
from jdnet_jax.data.local_builder import LocalBuilder, LocalConfig, with_progress
from jdnet_jax.data.wording import listed
from jdnet_jax.process.errors import UserError

NUM_CLASSES = 2019
OFFICIAL = ("train", "val")

_HOLDOUT_FRACTION = 0.01  # about as many photos as the official val has
_HOLDOUT_SEED = 0


@dataclasses.dataclass(frozen=True)
class Photo:
    """An image that a JSON file lists: its id, which is its file's name, and its class."""

    id: str
    label: int


def create(raw_dir: str, store: str | None) -> IMaterialistProduct2019:
    """The builder for a folder, whose records lie in a place that a digest of the JSON files and photos names.

    Args:
        raw_dir: the folder of the JSON files and of the folders `train` and `val`.
        store: TFDS data directory; None for TFDS's default.

    Raises:
        UserError: the folder lacks one of them.
    """
    root = Path(raw_dir)
    for split in OFFICIAL:
        if not raw_dir or not (root / f"{split}.json").is_file() or not (root / split).is_dir():
            raise UserError(
                f"dataset.data_dir={raw_dir!r} must hold {split}.json and a folder {split} with the photos of "
                "imaterialist_product_2019, named by their ids: download them from the URLs in the JSON files"
            )
    config = LocalConfig(name=_digest(root), raw_dir=raw_dir)
    return IMaterialistProduct2019(data_dir=store, config=config)


class IMaterialistProduct2019(LocalBuilder):
    """Builder of iMaterialist Product 2019; made by `create`."""

    name = "imaterialist_product_2019"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.labelled_photos(
            "iMaterialist Challenge on Product Recognition (FGVC6, CVPR 2019).",
            {
                "label": tfds.features.ClassLabel(names=[str(number) for number in range(NUM_CLASSES)]),
                "path": tfds.features.Text(),
            },
            "https://github.com/msight-tech/imaterialist-product-2019",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # the URLs are many hosts', and most users have the photos already
        root = Path(self.builder_config.raw_dir)
        readable: dict[str, list[Photo]] = {}
        counts = []
        listings = {split: read_photos(root / f"{split}.json") for split in OFFICIAL}  # all, before any photo is read
        for split, photos in listings.items():
            there = set(_sizes(root / split))
            present = [photo for photo in photos if photo.id in there]
            if not present:
                raise UserError(f"{root / split} holds none of the {len(photos)} photos of {split}.json by its id")
            files = [root / split / photo.id for photo in present]
            bad = image_check.unreadable(with_progress(files, f"reading {root / split}"), photo_file.record_of)
            image_check.refuse_many(bad, len(present), root / split)
            readable[split] = [photo for photo in present if root / split / photo.id not in bad]
            counts.append(
                f"{len(photos) - len(present)} of the {len(photos)} photos of the official {split} missing, "
                f"{len(bad)} unreadable"
            )
        train, val = hold_out(readable["train"])
        labels = {photo.label for photo in train}
        unknown = sorted({photo.label for photo in readable["val"]} - labels)
        if unknown:
            raise UserError(
                f"{root / 'val'} has photos of the classes {listed(list(map(str, unknown)))}, of which "
                f"{root / 'train'} has none: a class must be in train to be learned; download more"
            )
        if not val:
            raise UserError(f"{root / 'train'} has no class of two photos or more, to hold one out for val")
        self.info.metadata["protocol"] = (
            "test is the official val, the labels of the official test not being public; val is "
            f"{100 * _HOLDOUT_FRACTION:g} % of each class of the official train, at least one photo, seed "
            f"{_HOLDOUT_SEED}; "
            f"train holds {len(labels)} of the {NUM_CLASSES} classes; " + "; ".join(counts)
        )
        return {
            "train": self._generate_examples(root / "train", train),
            "val": self._generate_examples(root / "train", val),
            "test": self._generate_examples(root / "val", readable["val"]),
        }

    def _generate_examples(self, folder: Path, photos: Sequence[Photo]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo, encoded in zip(photos, self.records([folder / photo.id for photo in photos]), strict=True):
            path = f"{folder.name}/{photo.id}"
            yield path, {"image": io.BytesIO(encoded), "label": photo.label, "path": path}


def read_photos(file: Path) -> list[Photo]:
    """The images that a JSON file lists.

    Raises:
        UserError: it is not such a file, or lists an id under two classes.
    """
    try:
        images = json.loads(file.read_bytes())["images"]
        if not isinstance(images, list):
            raise TypeError(f"images is {images!r:.80}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} is not the challenge's JSON object with a list 'images' ({type(error).__name__}: {error}): "
            "get an intact copy"
        ) from error
    labels: dict[str, int] = {}
    for number, image in enumerate(images):
        try:
            name, label = image["id"], image["class"]
        except (KeyError, TypeError):
            raise UserError(
                f"{file}, image {number}: expected an object with id and class, got {image!r:.80}"
            ) from None
        if not isinstance(name, str) or name in ("", ".", "..") or PurePath(name).name != name:
            raise UserError(f"{file}, image {number}: the id {name!r:.80} cannot be the name of a file")
        if type(label) is not int or not 0 <= label < NUM_CLASSES:
            raise UserError(f"{file}, image {number}: class is {label!r:.80}, not 0 to {NUM_CLASSES - 1}")
        if labels.setdefault(name, label) != label:
            raise UserError(f"{file}, image {number}: {name} is in class {label} and {labels[name]}")
    return [Photo(*item) for item in labels.items()]


def hold_out(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Train and val: a hundredth of each class, at least one photo where there are two, by a hash of the ids."""
    labels = {photo.id: photo.label for photo in photos}
    held = stratified_hold_out(labels, {"val": _HOLDOUT_FRACTION}, _HOLDOUT_SEED)["val"]
    return [photo for photo in photos if photo.id not in held], [photo for photo in photos if photo.id in held]


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of a folder, by its name."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}


def _digest(root: Path) -> str:
    """A digest of the JSON files and of the photos' names and sizes; it notices changes without reading photos."""
    sha = hashlib.sha256()
    for split in OFFICIAL:
        sha.update(hashlib.sha256((root / f"{split}.json").read_bytes()).digest())
        for item in sorted(_sizes(root / split).items()):
            sha.update(repr(item).encode("utf-8", "backslashreplace"))
    return sha.hexdigest()[:12]
