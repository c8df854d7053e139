"""Datasets with segmentation maps (class ids): one example for each class of a photo, with the class's mask.

RveRNet (Jin, 2024) cuts one region of interest out for each pair of a photo and a class in it. Here, too, an example is
a pair (photo, class): a photo occurs once for each food in it, and all its pairs are in one split.

- `foodseg103`: Wu et al., "A Large-Scale Benchmark for Food Image Segmentation", ACM MM 2021: 7,118 photos, 103
  ingredients; photos from Recipe1M, for research. `Images/{img_dir,ann_dir}/{train,test}`, `category_id.txt`.
- `uec_foodpix`: UECFoodPix Complete (Okamoto and Yanai, 2021): 10,000 photos, 102 foods; ids in the red channel of the
  masks. `{train,test}/{img,mask}`, `category.txt`.

Counts are the published ones; the builder counts and reports what a folder really holds. The official test is the
test; val is held out of the official train by photo, stratified by class.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from jdnet_jax.data import image_check, masks, photo_file
from jdnet_jax.data.folder_walk import is_system_name
from jdnet_jax.data.hold_out import check_options, stratified_hold_out
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.local_builder import LocalBuilder, Unchecked, with_progress
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.wording import counted
from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError

OFFICIAL = ("train", "test")
_PHOTOS = (".jpg", ".jpeg", ".png")


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of a dataset's files.

    Attributes:
        photos: folder of a split's photos, below the root, with `{split}` for the split.
        maps: folder of a split's maps, which have the photos' names but end in `.png`.
        channel: the maps' channel with the class ids; None for maps of one channel.
        categories: name of the file with a line for each class, id and name with a blank or tab between; other lines
            are skipped.
        classes: number of classes; their ids are 1 to this, and 0 is the background.
    """

    photos: str
    maps: str
    channel: int | None
    categories: str
    classes: int


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo with its map, identified by its `name`, `<official split>/<stem>`."""

    name: str
    file: Path
    map: Path


@dataclasses.dataclass(eq=False)
class SegmentationMapsConfig(tfds.core.BuilderConfig):
    """The options of a build: the files in `raw_dir`, and the share of each class of the official train that is val."""

    raw_dir: str = ""
    val_fraction: float = 0.1
    split_seed: int = 0


class _SegmentationMaps(LocalBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A builder of one of these datasets."""

    VERSION = tfds.core.Version("1.0.0")
    layout: ClassVar[Layout]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.labelled_photos(
            f"Photos of food with a mask for each food: {type(self).__name__}.",
            {
                "mask": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                "label": tfds.features.ClassLabel(),  # named once the folder is read
                "photo": tfds.features.Text(),
            },
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # the files are had on request, or from a page with a form
        config = self.builder_config
        root = find_root(self.name, Path(config.raw_dir), self.layout)
        names = read_names(root / self.layout.categories, self.layout.classes)
        classes: dict[str, dict[Photo, tuple[int, ...]]] = {}
        words = []
        for split in OFFICIAL:
            photos = list_photos(root, split, self.layout)
            classes[split], skipped = self._classes(photos, root / split)
            empty = sum(not ids for ids in classes[split].values())
            words.append(f"official {split}: {counted(len(photos), 'photo')}, {skipped} skipped, {empty} without food")
        held = hold_out({p.name: ids for p, ids in classes["train"].items()}, config.val_fraction, config.split_seed)
        divided = {
            "train": {photo: ids for photo, ids in classes["train"].items() if photo.name not in held},
            "val": {photo: ids for photo, ids in classes["train"].items() if photo.name in held},
            "test": classes["test"],
        }
        for split, members in divided.items():
            if not any(members.values()):
                raise UserError(f"{split} of {root} would hold no photo with a food in it")
        self.info.features["label"].names = names
        in_train = Counter(i for ids in divided["train"].values() for i in ids)
        self.info.metadata["protocol"] = "; ".join(
            [
                "one example for each pair of a photo and a class in it",
                f"val is {100 * config.val_fraction:g} % of the official train by photo, seed {config.split_seed}",
                f"train holds {len(in_train)} of the {len(names)} classes",
                *words,
            ]
        )
        return {split: self._generate_examples(members) for split, members in divided.items()}

    def _classes(self, photos: Sequence[Photo], where: Path) -> tuple[dict[Photo, tuple[int, ...]], int]:
        """The class ids in each photo that can be read, and how many cannot."""
        reasons: dict[str, str] = {}
        classes: dict[Photo, tuple[int, ...]] = {}

        def look(photo: Photo) -> tuple[int, ...] | str:
            try:
                record = photo_file.record_of(photo.file)
                image_check.decode(record)
                return self._ids(photo, record)
            except UnreadablePhotoError as error:
                return str(error)

        for photo, ids in zip(photos, in_order(look, with_progress(photos, f"reading {where}")), strict=True):
            if isinstance(ids, str):
                reasons[photo.name] = ids
            else:
                classes[photo] = ids
        image_check.refuse_many(reasons, len(photos), where)
        return classes, len(reasons)

    def _ids(self, photo: Photo, record: bytes) -> tuple[int, ...]:
        values = masks.read(photo.map, self.layout.channel)
        masks.check_size(record, values)
        ids = np.unique(values)
        if ids.max() > self.layout.classes:
            raise UnreadablePhotoError(f"its map has the class {ids.max()} of {self.layout.classes}")
        return tuple(int(i) for i in ids if i > 0)

    def _generate_examples(self, photos: Mapping[Photo, tuple[int, ...]]) -> Iterator[tuple[str, dict[str, Any]]]:
        records = self.records([photo.file for photo in photos])
        for (photo, ids), encoded in zip(photos.items(), records, strict=True):
            values = masks.read(photo.map, self.layout.channel)
            for class_id in ids:
                mask = masks.encode(values == class_id)
                yield (
                    f"{photo.name}:{class_id}",
                    {
                        "image": io.BytesIO(encoded),
                        "mask": io.BytesIO(mask),
                        "label": class_id - 1,
                        "photo": photo.name,
                    },
                )


class Foodseg103(_SegmentationMaps):
    """Builder of FoodSeg103; made by `create`."""

    name = "foodseg103"
    layout = Layout("Images/img_dir/{split}", "Images/ann_dir/{split}", None, "category_id.txt", 103)


class UecFoodpix(_SegmentationMaps):
    """Builder of UECFoodPix Complete; made by `create`."""

    name = "uec_foodpix"
    layout = Layout("{split}/img", "{split}/mask", 0, "category.txt", 102)


BUILDERS: Mapping[str, type[_SegmentationMaps]] = {cls.name: cls for cls in (Foodseg103, UecFoodpix)}


def create(
    name: str, raw_dir: str, store: str | None, *, val_fraction: Unchecked = 0.1, split_seed: Unchecked = 0
) -> _SegmentationMaps:
    """The builder of one of these datasets.

    Args:
        name: `foodseg103` or `uec_foodpix`.
        raw_dir: the folder of its files, or one above it.
        store: TFDS data directory; None for TFDS's default.
        val_fraction: share of each class of the official train, above 0 and below 1, that is held out as val.
        split_seed: another seed holds out other photos.

    Raises:
        UserError: an option is impossible, or the folder is not this dataset.
    """
    check_options(name, split_seed, val_fraction=val_fraction)
    builder = BUILDERS[name]
    root = find_root(name, Path(raw_dir), builder.layout)
    sha = hashlib.sha256()
    for split in OFFICIAL:
        for photo in list_photos(root, split, builder.layout):
            sha.update(repr((photo.name, photo.file.stat().st_size, photo.map.stat().st_size)).encode())
    config = SegmentationMapsConfig(
        name=f"val{val_fraction}_seed{split_seed}_{sha.hexdigest()[:12]}",
        raw_dir=raw_dir,
        val_fraction=val_fraction,
        split_seed=split_seed,
    )
    return builder(data_dir=store, config=config)


def find_root(name: str, folder: Path, layout: Layout) -> Path:
    """The folder with the photos, `folder` or one at most two levels below it.

    Raises:
        UserError: there is none.
    """
    needed = layout.photos.format(split="train")
    if str(folder) and folder.is_dir():
        below = [*sorted(folder.glob("*")), *sorted(folder.glob("*/*"))]
        for candidate in (folder, *(path for path in below if not any(map(is_system_name, path.parts[-2:])))):
            if (candidate / needed).is_dir():
                return candidate
    shown = "" if folder == Path() else str(folder)
    raise UserError(
        f"dataset.data_dir={shown!r} must be the folder of {name}, with {needed}, "
        f"{layout.maps.format(split='train')}, the same for test, and {layout.categories}"
    )


def list_photos(root: Path, split: str, layout: Layout) -> list[Photo]:
    """The photos of an official split, sorted by name.

    Raises:
        UserError: there are none, two have one name up to the ending, or some have no map.
    """
    folder, maps = (root / part.format(split=split) for part in (layout.photos, layout.maps))
    files = sorted(
        file for file in folder.glob("*") if file.suffix.lower() in _PHOTOS and not is_system_name(file.name)
    )
    if not files:
        raise UserError(f"{folder} holds no photos: the official {split} is expected there")
    photos = [Photo(f"{split}/{file.stem}", file, maps / f"{file.stem}.png") for file in files]
    twice = [name for name, count in Counter(photo.name for photo in photos).items() if count > 1]
    if twice:
        raise UserError(f"{folder} holds several photos named {twice[0]}.*: keep the one that the map is of")
    without = [photo for photo in photos if not photo.map.is_file()]
    if without:
        raise UserError(
            f"{len(without)} of the {len(photos)} photos in {folder} have no map in {maps}; the first is "
            f"{without[0].file.name}: get an intact copy of the dataset"
        )
    return photos


def read_names(file: Path, classes: int) -> list[str]:
    """The names of the classes 1 to `classes`.

    Raises:
        UserError: the file is not there, or lacks a class.
    """
    names = {}
    for line in user_files.read_text(file).splitlines():
        first, _, rest = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
        if first.isdecimal() and rest.strip():
            names[int(first)] = rest.strip()
    missing = [i for i in range(1, classes + 1) if i not in names]
    if missing:
        raise UserError(f"{file} has no name for {counted(len(missing), 'class')}, the first being {missing[0]}")
    return [names[i] for i in range(1, classes + 1)]


def hold_out(classes: Mapping[str, tuple[int, ...]], fraction: float, seed: int) -> set[str]:
    """The photos of val: this share of the pairs of each class, and all pairs of a photo together."""
    labels = {f"{name}:{i}": i for name, ids in classes.items() for i in ids}
    groups = {pair: pair.rpartition(":")[0] for pair in labels}
    return {groups[pair] for pair in stratified_hold_out(labels, {"val": fraction}, seed, groups)["val"]}
