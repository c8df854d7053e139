"""The TFDS builders of UECFood-256 and UECFood-100."""

from __future__ import annotations

import abc
import dataclasses
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import image_check
from jdnet_jax.data.file_tree import FileTree
from jdnet_jax.data.local_builder import Unchecked
from jdnet_jax.data.uec_food import crop as cropping
from jdnet_jax.data.uec_food import listing as listings
from jdnet_jax.data.uec_food.listing import NUM_FOLDS, Listing, Photo
from jdnet_jax.data.uec_food.split import TRAINS, candidates, duplicates, hold_out, under_several_classes
from jdnet_jax.process.errors import UserError

HOST = "http://foodcam.mobi"
CROPS = ("full", "box")

_SPLIT_ARCHIVE = "uecfood_split.zip"
_TRAIN_IS = {"complement": "all the rest", "other_lists": "the other four lists"}


@dataclasses.dataclass(eq=False)
class UecFoodConfig(tfds.core.BuilderConfig):
    """The options of a build, see `create`; `raw_dir` '': download."""

    fold: int = 0
    train: str = "complement"
    crop: str = "full"
    margin: float = 0.0
    dedupe: bool = True
    raw_dir: str = ""


def create(
    num_classes: int,
    raw_dir: str,
    store: str | None,
    *,
    fold: Unchecked = 0,
    train: Unchecked = "complement",
    crop: Unchecked = "full",
    margin: Unchecked = 0.0,
    dedupe: Unchecked = True,
) -> UecFood:
    """The builder for a folder or an archive, or for the public source where `raw_dir` is ''.

    The name of its config, and so the place of its records, holds the options and a digest of the raw files: other or
    changed files are prepared again.

    Args:
        num_classes: 256 or 100.
        raw_dir: the folder UECFOOD256 (UECFOOD100), one that contains it, or the archive dataset256.zip
            (dataset100.zip); '' downloads the archive. The lists of the folds are looked for beside and inside it
            (`uecfood256_split/` or `uecfood_split.zip`) and downloaded where they are not there.
        store: TFDS data directory; None for TFDS's default.
        fold: 0 to 4: the photos of val<fold>.txt are the test split.
        train: 'complement' for all other photos, 'other_lists' for those of the other four lists.
        crop: 'full' for whole photos, 'box' for the largest box of the photo's class.
        margin: with crop='box': share of the box's width and height that is added on each side.
        dedupe: drop the photos of train whose picture is in test.

    Raises:
        UserError: an option's value is not allowed, or the files are not this dataset.
    """
    kind = {256: UecFood256, 100: UecFood100}[num_classes]
    _check("fold", fold, type(fold) is int and fold in range(NUM_FOLDS), f"must be 0 to {NUM_FOLDS - 1}")
    _check("train", train, train in TRAINS, f"must be one of {', '.join(TRAINS)}")
    _check("crop", crop, crop in CROPS, f"must be one of {', '.join(CROPS)}")
    _check("margin", margin, type(margin) in (int, float) and 0 <= margin < math.inf, "must be a number, at least 0")
    _check("margin", margin, crop == "box" or margin == 0, "goes with crop='box' alone")
    _check("dedupe", dedupe, isinstance(dedupe, bool), "must be True or False")
    source = "download"
    if raw_dir:
        path = Path(raw_dir)
        listing, lists = listings.open_photos(path, num_classes), listings.find_lists(path, num_classes)
        source = listings.digest(listing, lists)
    cut = f"box{float(margin)}".replace(".", "p") if crop == "box" else "full"
    name = f"fold{fold}_{train}_{cut}_{'dedupe' if dedupe else 'all'}_{source}"
    config = UecFoodConfig(
        name=name, fold=fold, train=train, crop=crop, margin=float(margin), dedupe=dedupe, raw_dir=raw_dir
    )
    return kind(data_dir=store, config=config)


class UecFood(tfds.core.GeneratorBasedBuilder):
    """Base class of the builders of the two sets; made by `create`."""

    VERSION = tfds.core.Version("1.0.0")

    @property
    @abc.abstractmethod
    def num_classes(self) -> int:
        """The number of classes of the set."""

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=f"Photos of {self.num_classes} kinds of food, in five folds (foodcam.mobi).",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(),  # named once category.txt is at hand
                    "path": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=f"{HOST}/dataset{self.num_classes}.html",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        config = self.builder_config
        listing, list_files = self._open(dl_manager)
        self.info.features["label"].names = list(listing.class_names)
        lists = listings.read_lists(list_files, self.num_classes)
        train, test = candidates(config.train, listing.sizes, lists, config.fold)

        pictures: dict[Photo, image_check.Picture] = {}
        skipped: dict[Photo, str] = {}
        for photos, source in ((train, "the train split"), (test, str(list_files.root / f"val{config.fold}.txt"))):
            logging.info("checking the %d photos of %s", len(photos), source)
            readable, unreadable = image_check.inspect(sorted(photos), lambda photo: listing.tree.read(str(photo)))
            image_check.refuse_many(unreadable, len(photos), f"{source} ({listing.tree.root})")
            pictures |= readable
            skipped |= unreadable
        train, test = train - skipped.keys(), test - skipped.keys()

        contents = {photo: picture.sha256 for photo, picture in pictures.items()}
        copies = duplicates(train, test, contents)
        if config.dedupe:
            train -= copies.keys()
        val = hold_out(train, contents)
        splits = {"train": train - val, "val": val, "test": test}

        windows: dict[Photo, cropping.Window] = {}
        if config.crop == "box":
            boxes = listings.read_boxes(listing.tree, self.num_classes)
            for photo, (_, height, width) in pictures.items():
                window = cropping.window(boxes.get(photo, ()), config.margin, height, width)
                if window:
                    windows[photo] = window
        self._describe(listing, lists, splits, contents, copies, skipped, windows)
        return {name: self._generate_examples(listing.tree, photos, windows) for name, photos in splits.items()}

    def _generate_examples(
        self, tree: FileTree, photos: Iterable[Photo], windows: Mapping[Photo, cropping.Window]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo in sorted(photos):
            encoded = tree.read(str(photo))
            if photo in windows:
                encoded = cropping.cut(encoded, windows[photo])
            yield str(photo), {"image": io.BytesIO(encoded), "label": photo.label, "path": str(photo)}

    def _open(self, dl_manager: tfds.download.DownloadManager) -> tuple[Listing, FileTree]:
        """The photos and the lists of the folds, downloaded if they are not there."""
        raw_dir = self.builder_config.raw_dir
        archive = f"dataset{self.num_classes}.zip"
        path = Path(
            raw_dir or _fetch(dl_manager, archive, "name the archive, or its unpacked folder, as dataset.data_dir")
        )
        lists = listings.find_lists(path, self.num_classes) if raw_dir else None
        if lists is None:
            where = "beside the photos" if raw_dir else f"beside {archive}, and name that as dataset.data_dir"
            lists = listings.open_lists(_fetch(dl_manager, _SPLIT_ARCHIVE, f"put it {where}"), self.num_classes)
        return listings.open_photos(path, self.num_classes), lists

    def _describe(
        self,
        listing: Listing,
        lists: Sequence[AbstractSet[Photo]],
        splits: Mapping[str, Collection[Photo]],
        contents: Mapping[Photo, bytes],
        copies: Mapping[Photo, Photo],
        skipped: Mapping[Photo, str],
        windows: Mapping[Photo, cropping.Window],
    ) -> None:
        """Writes the protocol and what was left out into the metadata."""
        config = self.builder_config
        metadata = self.info.metadata
        metadata["duplicates"] = {str(photo): str(twin) for photo, twin in copies.items()}
        metadata["skipped"] = {str(photo): reason for photo, reason in skipped.items()}
        crop = "whole photos"
        if config.crop == "box":
            whole = [str(photo) for photos in splits.values() for photo in sorted(photos) if photo not in windows]
            metadata["without_box"] = whole
            crop = f"cropped to the box, margin {config.margin:g} ({len(whole)} photos without a usable box kept whole)"
        classes = ", ".join(f"{name} {len({photo.label for photo in photos})}" for name, photos in splits.items())
        shared = ", ".join(f"{name} {under_several_classes(photos, contents)}" for name, photos in splits.items())
        skipped_of_test = len(lists[config.fold] & skipped.keys())
        facts = [
            f"fold {config.fold}: test is val{config.fold}.txt, train and val are {_TRAIN_IS[config.train]}",
            crop,
            f"{len(copies)} photos of train with a copy in test {'dropped' if config.dedupe else 'NOT dropped'}",
            f"unreadable photos skipped: test {skipped_of_test}, others {len(skipped) - skipped_of_test}",
            f"classes: {classes} of {self.num_classes}",
            f"photos whose picture the split has under several classes: {shared}",
        ]
        if listing.of_several_foods is not None:
            facts.append(f"multiple_food.txt lists {listing.of_several_foods} photos")
        metadata["protocol"] = "; ".join(facts)


class UecFood256(UecFood):
    """Builder of UECFood-256; made by `create`."""

    num_classes = 256


class UecFood100(UecFood):
    """Builder of UECFood-100; made by `create`."""

    num_classes = 100


def _check(option: str, value: Any, allowed: bool, rule: str) -> None:
    if not allowed:
        raise UserError(f"dataset.options.{option}={value!r} of UECFood {rule}")


def _fetch(dl_manager: tfds.download.DownloadManager, name: str, otherwise: str) -> Path:
    url = f"{HOST}/{name}"
    try:
        return Path(dl_manager.download(url))
    except (OSError, tfds.download.DownloadError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{url} cannot be downloaded ({reason}); get {name} by other means and {otherwise}") from error
