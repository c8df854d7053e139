"""A user's photos with the masks of their food, photos and masks each in one folder per class.

    root/photos/<class>/<name>.jpg      root/masks/<class>/<name>.png
    root/{train,val,test}/photos/...    root/{train,val,test}/masks/...      divided already

A mask lies at the same relative path as its photo, an 8-bit PNG of one channel and of the upright photo's size: 0 is
the background, anything else the region of interest. `python -m jdnet_jax.segment` writes such masks. A photo of
several foods stands under each class with a separate mask; its copies stay together in one of train, val and test.
Splits that the folder lacks are held out of train as in `image_folder`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import folder_examination, image_check, image_folder, masks, photo_file
from jdnet_jax.data.folder_examination import Division
from jdnet_jax.data.folder_listing import SPLITS, Listing, Photo, digest, read_listing
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.local_builder import LocalBuilder, Unchecked
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.process.errors import UserError


def create(
    raw_dir: str,
    store: str | None,
    *,
    val_fraction: Unchecked = 0.1,
    test_fraction: Unchecked = 0.1,
    split_seed: Unchecked = 0,
) -> MaskedFolder:
    """The builder for a folder of photos and masks; options as of `image_folder.create`.

    Raises:
        UserError: an option is impossible, the folder holds no such dataset, or photos have no mask.
    """
    image_folder.check_options("masked_folder", raw_dir, store, val_fraction, test_fraction, split_seed)
    listing = read(Path(raw_dir))
    check_complete(Path(raw_dir), listing)
    content = _digest(Path(raw_dir), listing)
    config = image_folder.config_of(raw_dir, Division(val_fraction, test_fraction, split_seed), content)
    return MaskedFolder(data_dir=store, config=config)


class MaskedFolder(LocalBuilder):
    """Builder of a folder of photos and masks; made by `create`."""

    VERSION = tfds.core.Version("1.1.0")  # raised where other photos of a folder are taken, or read otherwise

    def _info(self) -> tfds.core.DatasetInfo:
        return self.labelled_photos(
            "A user's photos with masks, in a folder for each class.",
            {
                "mask": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                "label": tfds.features.ClassLabel(),  # named once the folder is read
                "path": tfds.features.Text(),
            },
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        config = self.builder_config
        root = Path(config.raw_dir)
        listing = read(root)
        fingerprints, unreadable = folder_examination.fingerprint(listing)
        readable = folder_examination.only_in(fingerprints, listing.photos)
        masked = {
            split: [Masked(photo.path, photo.file, mask_of(root, photo)) for photo in photos]
            for split, photos in readable.items()
        }
        names, words = with_region(masked, root)
        usable = folder_examination.only_in(set().union(*names.values()), readable)
        lost = set(listing.class_names) - {photo.class_name for photo in usable["train"]}
        if lost:
            raise UserError(
                f"no photo of {listed(sorted(lost))} in {root} has a mask that can be used: repair the masks or remove "
                "the folder"
            )
        contents = {path: print_.content for path, print_ in fingerprints.items()}
        fractions = {"test": config.division.test_fraction, "val": config.division.val_fraction}
        # The pairs of a photo stay together, whatever their classes.
        labels = {photo.path: photo.class_name for photo in usable["train"]}
        divided = folder_examination.divide_labelled(usable, labels, contents, fractions, config.division.seed)
        self.info.features["label"].names = listing.class_names
        self.info.metadata["protocol"] = "; ".join(
            [
                counted(len(listing.class_names), "class"),
                *image_folder.how_divided(listing, divided, config),
                counted(len(unreadable), "unreadable photo") + " skipped",
                *words,
            ]
        )
        return {split: self._generate_examples(root, divided[split]) for split in SPLITS}

    def _generate_examples(self, root: Path, photos: Sequence[Photo]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo, encoded in zip(photos, self.records([photo.file for photo in photos]), strict=True):
            mask = masks.encode(masks.read(mask_of(root, photo)) > 0)
            yield (
                photo.path,  # which begins with the class, so that one file name under two classes is two examples
                {
                    "image": io.BytesIO(encoded),
                    "mask": io.BytesIO(mask),
                    "label": photo.class_name,
                    "path": photo.path,
                },
            )


def read(root: Path) -> Listing:
    """Lists the photos, opening none. Their paths are below `root`, without the folder `photos`.

    Raises:
        UserError: the folder is not laid out like this.
    """
    if (root / "photos").is_dir():
        listing = read_listing(root / "photos")
        if len(listing.photos) > 1:
            raise UserError(f"{root / 'photos'} holds train: the splits' folders belong above photos and masks")
        return listing
    if not (root / "train" / "photos").is_dir():
        raise UserError(
            f"dataset.data_dir={str(root)!r} must hold photos/<class>/<name>.jpg and masks/<class>/<name>.png, or "
            "train, val and test with these inside"
        )
    parts = {split: read_listing(root / split / "photos") for split in SPLITS if (root / split / "photos").is_dir()}
    names = parts["train"].class_names
    for split, part in parts.items():
        unknown = sorted(set(part.class_names) - set(names))
        if unknown:
            raise UserError(f"{root / split} has photos of {listed(unknown)}, of which {root / 'train'} has none")
    photos = {
        split: tuple(dataclasses.replace(photo, path=f"{split}/{photo.path}") for photo in part.photos["train"])
        for split, part in parts.items()
    }
    return Listing(root, photos, names, *(tuple(n for p in parts.values() for n in getattr(p, w)) for w in _LEFT_OUT))


_LEFT_OUT = ("empty", "others")  # of a listing


def mask_of(root: Path, photo: Photo) -> Path:
    """The path of a photo's mask."""
    split = PurePosixPath(photo.path).parts[0] if _is_divided(root) else ""
    # From the file's name on disk: in `path` accents are in composed form.
    return root / split / "masks" / photo.file.relative_to(root / split / "photos").with_suffix(".png")


def check_complete(root: Path, listing: Listing) -> None:
    """Checks that each photo has a mask of its own: two photos that differ only in the ending would share one.

    Raises:
        UserError: counts those that have none.
    """
    photos = [photo for members in listing.photos.values() for photo in members]
    files = [mask_of(root, photo) for photo in photos]
    refuse_without(files, [photo.path for photo in photos])
    if len(set(files)) < len(files):
        twice = Counter(files).most_common(1)[0][0]
        raise UserError(f"{twice} would be the mask of two photos that differ in their ending: rename one and its mask")


def refuse_without(files: Sequence[Path], photos: Sequence[str]) -> None:
    """Refuses photos without a mask, with a message that counts them.

    Args:
        files: the mask files.
        photos: names of the photos, in the same order.

    Raises:
        UserError: a mask is not there.
    """
    missing = [(file, photo) for file, photo in zip(files, photos, strict=True) if not file.is_file()]
    if missing:
        file, photo = missing[0]
        raise UserError(
            f"{len(missing)} of the {len(photos)} photos have no mask; the first is {photo}, whose mask would be "
            f"{file}: make them with python -m jdnet_jax.segment, or take the photos away"
        )


class Masked(NamedTuple):
    """A photo's name, its file and its mask's."""

    name: str
    photo: Path
    mask: Path


def with_region(photos: Mapping[str, Sequence[Masked]], where: Path) -> tuple[dict[str, set[str]], tuple[str, ...]]:
    """The names of each split's photos whose mask has a region of interest, and sentences on the others.

    A photo whose mask has no region is left out and counted. A mask that covers the whole photo is counted and kept:
    its context is black.

    Args:
        photos: split -> photos.
        where: the folder that holds them, for messages.

    Raises:
        UserError: many masks of a split are unreadable or of another size, see `image_check.refuse_many`.
    """
    usable: dict[str, set[str]] = {}
    unreadable = empty = full = 0
    for split, members in photos.items():
        results = in_order(lambda masked: region_share(masked.mask, masked.photo), members)
        shares = {masked.name: share for masked, share in zip(members, results, strict=True)}
        reasons = {name: share for name, share in shares.items() if isinstance(share, str)}
        image_check.refuse_many(reasons, len(members), f"{split} of {where}", own=True)
        without = [name for name, share in shares.items() if share == 0.0]
        if without:
            logging.warning("photos of %s left out, their masks being empty: %s", split, listed(without))
        unreadable, empty = unreadable + len(reasons), empty + len(without)
        full += sum(share == 1.0 for share in shares.values())
        usable[split] = shares.keys() - reasons.keys() - set(without)
    return usable, (
        counted(unreadable, "unreadable mask") + " skipped",
        counted(empty, "empty mask") + " left out",
        counted(full, "mask") + " of the whole photo",
    )


def region_share(mask_file: Path, photo: Path) -> float | str:
    """The share of a photo that is region of interest, or why its mask cannot be used."""
    try:
        mask = masks.read(mask_file) > 0
        masks.check_size(photo_file.record_of(photo), mask)
    except UnreadablePhotoError as error:
        return str(error)
    return float(mask.mean())


def _is_divided(root: Path) -> bool:
    return not (root / "photos").is_dir()


def _digest(root: Path, listing: Listing) -> str:
    """A digest of the photos and their masks, so that a changed folder is prepared again."""
    files = [mask_of(root, photo) for members in listing.photos.values() for photo in members]
    return hashlib.sha256(f"{digest(listing)} {masks.digest(files)}".encode()).hexdigest()[:12]
