"""The Grocery Store Dataset: smartphone photos of fruit, vegetables and cartons in shops.

Klasson, Zhang and Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual and Semantic Labels", WACV 2019;
MIT licence; https://github.com/marcusklasson/GroceryStoreDataset.

Facts about the files, counted: 2,640 train / 296 val / 2,485 test photos, mostly 348 x 348 JPEG. `classes.csv` has 81
fine and 43 coarse ids (the paper says 42). Train and test hold every class, the official val only 60 of the 81; hence
the option to tune on a hold-out that holds them all.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import image_check, masked_folder, masks
from jdnet_jax.data.hold_out import stratified_hold_out
from jdnet_jax.data.local_builder import Unchecked
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

# The address ends in .zip, which tells TFDS how to unpack it; GitHub redirects it to its download host.
URL = "https://github.com/marcusklasson/GroceryStoreDataset/archive/refs/heads/master.zip"
SPLITS = ("train", "val", "test")

_HOLDOUT_FRACTION = 0.1


@dataclasses.dataclass(frozen=True)
class Photo:
    """One row of a split file: the path below the dataset's folder, and its ids."""

    path: str
    fine: int
    coarse: int


@dataclasses.dataclass(frozen=True)
class Listing:
    """The text files of the dataset.

    Attributes:
        root: the folder that holds them.
        fine: names of the fine classes in the order of their ids.
        coarse: names of the coarse classes in the order of their ids.
        photos: the rows of each split file.
    """

    root: Path
    fine: tuple[str, ...]
    coarse: tuple[str, ...]
    photos: Mapping[str, tuple[Photo, ...]]


@dataclasses.dataclass(eq=False)
class GroceryStoreConfig(tfds.core.BuilderConfig):
    """The options of a build: `labels` 'fine' or 'coarse', `val` 'official' or 'holdout', `raw_dir` ('': download).

    With `masks`, a folder, also a mask of each photo's food.
    """

    labels: str = "fine"
    val: str = "official"
    raw_dir: str = ""
    masks: str = ""


def create(
    raw_dir: str, store: str | None, *, labels: Unchecked = "fine", val: Unchecked = "official", masks: str = ""
) -> GroceryStore:
    """The builder for a folder, or for the public source where `raw_dir` is ''.

    The name of its config, and so the place of its records, carries a digest of the folder's listing: another folder
    or a changed one is prepared again.

    Args:
        raw_dir: the repository's root or its `dataset` folder; '' downloads it.
        store: TFDS data directory; None for TFDS's default.
        labels: 'fine' (81 classes) or 'coarse' (43).
        val: 'official' as published; 'holdout' for a tenth of official train + val, stratified by fine class so that it
            holds every class, the rest being train.
        masks: folder of masks, each at its photo's path below the dataset's folder but ending in `.png`, as `python -m
            jdnet_jax.segment` writes them; '' for none. It needs `raw_dir`.

    Raises:
        UserError: an option's value is unknown, or the folder is not this dataset.
    """
    for option, value, allowed in (("labels", labels, ("fine", "coarse")), ("val", val, ("official", "holdout"))):
        if value not in allowed:
            raise UserError(f"dataset.options.{option}={value!r} of grocery_store must be one of {', '.join(allowed)}")
    source = _digest(read_listing(Path(raw_dir))) if raw_dir else "download"
    if masks:
        masks = str(user_files.expanded(masks))
        if not raw_dir:
            raise UserError("dataset.options.masks of grocery_store are of photos of yours: set dataset.data_dir too")
        source += f"_masks{_masks_digest(read_listing(Path(raw_dir)), Path(masks))}"
    config = GroceryStoreConfig(name=f"{labels}_{val}_{source}", labels=labels, val=val, raw_dir=raw_dir, masks=masks)
    return GroceryStore(data_dir=store, config=config)


class GroceryStore(tfds.core.GeneratorBasedBuilder):
    """Builder of the Grocery Store Dataset; made by `create`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        mask = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
        return self.dataset_info_from_configs(
            description="Smartphone photos of fruit, vegetables and cartons in shops (Klasson et al., WACV 2019).",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(),  # named once classes.csv is at hand
                    "path": tfds.features.Text(),
                    **({"mask": mask} if self.builder_config.masks else {}),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://github.com/marcusklasson/GroceryStoreDataset",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        config = self.builder_config
        listing = read_listing(Path(config.raw_dir or dl_manager.download_and_extract(URL)))
        names = listing.fine if config.labels == "fine" else listing.coarse
        self.info.features["label"].names = names
        photos, skipped = readable(listing)
        if config.val == "holdout":
            photos = hold_out(photos)
        without_region = ""
        if config.masks:
            photos, without_region = with_region(listing.root, Path(config.masks), photos)
        in_val = {getattr(photo, config.labels) for photo in photos["val"]}
        self.info.metadata["protocol"] = (
            f"{config.labels} labels, {config.val} val (holds {len(in_val)} of the {len(names)} classes), "
            f"{len(skipped)} unreadable photos skipped"
            + (f" ({', '.join(skipped)})" if skipped else "")
            + without_region
        )
        return {split: self._generate_examples(listing.root, photos[split]) for split in SPLITS}

    def _generate_examples(self, root: Path, photos: tuple[Photo, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo in photos:
            label = getattr(photo, self.builder_config.labels)
            example = {"image": str(root / photo.path), "label": label, "path": photo.path}
            if self.builder_config.masks:
                region = masks.read(_mask_of(Path(self.builder_config.masks), photo)) > 0
                example["mask"] = io.BytesIO(masks.encode(region))
            yield photo.path, example


def with_region(
    root: Path, folder: Path, photos: Mapping[str, tuple[Photo, ...]]
) -> tuple[dict[str, tuple[Photo, ...]], str]:
    """The photos whose masks have a region of interest, and the protocol's words on them; see `masked_folder`.

    Raises:
        UserError: many masks of a split cannot be used.
    """
    files = {
        split: [masked_folder.Masked(photo.path, root / photo.path, _mask_of(folder, photo)) for photo in members]
        for split, members in photos.items()
    }
    usable, words = masked_folder.with_region(files, folder)
    kept = {split: tuple(p for p in members if p.path in usable[split]) for split, members in photos.items()}
    return kept, "; " + ", ".join(words)


def _mask_of(folder: Path, photo: Photo) -> Path:
    return folder / PurePosixPath(photo.path).with_suffix(".png")


def _masks_digest(listing: Listing, folder: Path) -> str:
    """A digest of the masks; every photo must have one."""
    photos = [photo for members in listing.photos.values() for photo in members]
    files = [_mask_of(folder, photo) for photo in photos]
    masked_folder.refuse_without(files, [photo.path for photo in photos])
    return masks.digest(files)


def read_listing(folder: Path) -> Listing:
    """Reads the classes and the split files.

    Args:
        folder: the repository's root, its `dataset` folder, or the folder its archive was unpacked into.

    Raises:
        UserError: the folder or one of the files is not there, or a line is malformed.
    """
    if not folder.is_dir():
        raise UserError(f"dataset.data_dir={str(folder)!r} is not a folder; name the Grocery Store Dataset's folder")
    candidates = [folder, folder / "dataset", *sorted(folder.glob("*/dataset"))]
    root = next((c for c in candidates if any((c / f"{split}.txt").is_file() for split in SPLITS)), folder)
    for name in ("classes.csv", *(f"{split}.txt" for split in SPLITS)):
        if not (root / name).is_file():
            raise UserError(
                f"dataset.data_dir={str(folder)!r} lacks {name} (looked in {root}); it must be the root of the Grocery "
                "Store Dataset's repository or its 'dataset' folder"
            )
    fine, coarse = _read_classes(root / "classes.csv")
    photos = {split: _read_split(root / f"{split}.txt", len(fine), len(coarse)) for split in SPLITS}
    return Listing(root, fine, coarse, photos)


def readable(listing: Listing) -> tuple[dict[str, tuple[Photo, ...]], list[str]]:
    """Decodes every photo; returns those of each split that can be read, and the paths of the others.

    Raises:
        UserError: more than 1 % of a split's photos are missing or cannot be decoded.
    """
    kept, skipped = {}, []
    for split, photos in listing.photos.items():
        logging.info("checking the %d photos of %s", len(photos), split)
        bad = image_check.unreadable(listing.root / photo.path for photo in photos)
        image_check.refuse_many(bad, len(photos), listing.root / f"{split}.txt")
        kept[split] = tuple(photo for photo in photos if listing.root / photo.path not in bad)
        skipped += [str(path.relative_to(listing.root)) for path in bad]
    return kept, skipped


def hold_out(photos: Mapping[str, tuple[Photo, ...]]) -> dict[str, tuple[Photo, ...]]:
    """Replaces the official val by a tenth of train + val, by fine class, see `jdnet_jax.data.hold_out`."""
    pool = sorted((*photos["train"], *photos["val"]), key=lambda photo: photo.path)
    held = stratified_hold_out({photo.path: photo.fine for photo in pool}, {"val": _HOLDOUT_FRACTION})["val"]
    train = tuple(photo for photo in pool if photo.path not in held)
    val = tuple(photo for photo in pool if photo.path in held)
    return {"train": train, "val": val, "test": photos["test"]}


def _read_classes(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the fine and of the coarse classes, in the order of their ids."""
    fine: dict[int, str] = {}
    coarse: dict[int, str] = {}
    for number, row in enumerate(csv.reader(io.StringIO(user_files.read_text(path))), start=1):
        if number == 1 or not row:
            continue
        try:
            fine[int(row[1])] = row[0].strip()
            coarse[int(row[3])] = row[2].strip()
        except (IndexError, ValueError):
            raise UserError(f"{path}, line {number}: expected 'fine name,fine id,coarse name,coarse id,...'") from None
    for kind, names in (("fine", fine), ("coarse", coarse)):
        if not names or sorted(names) != list(range(len(names))):
            raise UserError(f"{path}: the {kind} class ids must be 0, 1, 2, ... without a gap, got {sorted(names)}")
    return tuple(fine[i] for i in range(len(fine))), tuple(coarse[i] for i in range(len(coarse)))


def _read_split(path: Path, num_fine: int, num_coarse: int) -> tuple[Photo, ...]:
    photos: dict[str, Photo] = {}
    for number, line in enumerate(user_files.read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            name, fine, coarse = line.rsplit(",", 2)
            photo = Photo(name.strip(), int(fine), int(coarse))
        except ValueError:
            raise UserError(f"{path}, line {number}: expected 'path, fine id, coarse id', got {line!r}") from None
        if not (0 <= photo.fine < num_fine and 0 <= photo.coarse < num_coarse):
            raise UserError(f"{path}, line {number}: a class id is not in classes.csv: {line!r}")
        if photo.path in photos:
            raise UserError(f"{path}, line {number}: {photo.path} is listed twice")
        photos[photo.path] = photo
    if not photos:
        raise UserError(f"{path} lists no photos")
    return tuple(photos.values())


def _digest(listing: Listing) -> str:
    """A digest of the listing and the photos' sizes, which notices a changed folder without reading the photos."""
    sha = hashlib.sha256(repr((listing.fine, listing.coarse)).encode())
    for split, photos in listing.photos.items():
        for photo in photos:
            path = listing.root / photo.path
            size = path.stat().st_size if path.is_file() else -1
            sha.update(repr((split, photo, size)).encode())
    return sha.hexdigest()[:12]
