"""A user's photos: a folder with a sub-folder for each class (see `folder_listing` for the layouts).

A split that the folder lacks is held out of train, class by class, by a hash of the paths; identical files stay
together. A share of 0 is by the number of photos: a tenth, and of few photos more, see `share_of`. With `folds`
the photos are divided into that many parts, and each part is the test of one training.

So photos in a folder `val` are never tested on, nor those in a folder `test` tuned on: who has train and val alone and
wants val's photos as the test names that folder `test`, and a val is then held out of train.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import folder_examination, hold_out
from jdnet_jax.data.folder_examination import Divided, Division, Examination
from jdnet_jax.data.folder_listing import SPLITS, Listing, Photo, digest, read_listing
from jdnet_jax.data.local_builder import LocalBuilder, Unchecked
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.process.errors import UserError

#: With this many test photos an accuracy is known to within 10 points.
ENOUGH = 100
LEAST_HELD_OUT, MOST_HELD_OUT = 0.1, 0.2


@dataclasses.dataclass(eq=False)
class ImageFolderConfig(tfds.core.BuilderConfig):
    """The options of a build: the folder, and the share of train that a missing split takes; see `create`."""

    raw_dir: str = ""
    division: Division = Division()  # noqa: RUF009, it is frozen


def create(
    raw_dir: str,
    store: str | None,
    *,
    val_fraction: Unchecked = 0.1,
    test_fraction: Unchecked = 0.1,
    split_seed: Unchecked = 0,
    folds: Unchecked = 0,
    fold: Unchecked = 0,
) -> ImageFolder:
    """The builder for a folder of photos.

    The name of its config, and so the place of its records, carries the options and a digest of the photos: another
    folder or a changed one is prepared again.

    Args:
        raw_dir: the folder.
        store: TFDS data directory; None for TFDS's default.
        val_fraction: share of each class that is held out of train where the folder has no val; 0: see `share_of`.
        test_fraction: the same for test; both shares together are below 1.
        split_seed: another seed holds out other photos.
        folds: number of parts for cross-validation, one of which is test; 0: `test_fraction` decides.
        fold: which one, from 0.

    Raises:
        UserError: an option is impossible, or the folder holds no such dataset.
    """
    wanted = {"val": val_fraction, "test": test_fraction}
    shares = {role: MOST_HELD_OUT if share == 0 else share for role, share in wanted.items()}
    check_options("image_folder", raw_dir, store, shares["val"], shares["test"], split_seed)
    check_folds(folds, fold)
    listing = read_listing(Path(raw_dir))
    if folds and "test" in listing.photos:
        raise UserError(
            f"dataset.options.folds={folds}: {raw_dir} has a folder test, on which every fold would be tested: move "
            "its photos to the others, or leave folds out"
        )
    photos = len(listing.photos["train"])
    shares = {role: share_of(role, photos) if share == 0 else share for role, share in wanted.items()}
    config = config_of(raw_dir, Division(shares["val"], shares["test"], split_seed, folds, fold), digest(listing))
    return ImageFolder(data_dir=store, config=config)


def share_of(role: str, photos: int) -> float:
    """The default share of a folder's photos that is held out.

    A tenth. With fewer than 1,000 photos more, so that there are ENOUGH to test on, but never more than a fifth. Val
    gets more only if a fifth is ENOUGH, because it is used to fit values that need ENOUGH photos (OURS).

    Args:
        role: `val` or `test`.
        photos: number of photos to hold out of.

    >>> [share_of("test", photos) for photos in (200, 600, 5000)], share_of("val", 200), share_of("val", 600)
    ([0.2, 0.17, 0.1], 0.1, 0.17)
    """
    wanted = math.ceil(100 * ENOUGH / photos) / 100
    if role == "val" and wanted > MOST_HELD_OUT:
        return LEAST_HELD_OUT
    return min(max(wanted, LEAST_HELD_OUT), MOST_HELD_OUT)


def check_folds(folds: Unchecked, fold: Unchecked) -> None:
    """Checks the options of a cross-validation.

    Raises:
        UserError: one of them is impossible.
    """
    if not _is_whole(folds) or folds == 1 or folds < 0:
        raise UserError(f"dataset.options.folds={folds!r} of image_folder must be 0, or a whole number of at least 2")
    if not _is_whole(fold) or not 0 <= fold < max(folds, 1):
        raise UserError(f"dataset.options.fold={fold!r} of image_folder must be a whole number from 0, below folds")


def _is_whole(value: Unchecked) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def config_of(raw_dir: str, division: Division, content: str) -> ImageFolderConfig:
    """The builder's config, whose name carries the options and `content`, a digest of what is in the folder."""
    part = f"fold{division.fold}of{division.folds}_" if division.folds else ""
    shares = f"val{division.val_fraction}_test{division.test_fraction}_seed{division.seed}"
    return ImageFolderConfig(name=f"{part}{shares}_{content}", raw_dir=raw_dir, division=division)


def check_options(
    name: str,
    raw_dir: str,
    store: str | None,
    val_fraction: Unchecked,
    test_fraction: Unchecked,
    split_seed: Unchecked,
) -> None:
    """Checks the arguments of `create`.

    Args:
        name: name of the builder, for messages.
        raw_dir: as for `create`, like the others.

    Raises:
        UserError: an option is impossible.
    """
    hold_out.check_options(name, split_seed, val_fraction=val_fraction, test_fraction=test_fraction)
    if not raw_dir:
        raise UserError("dataset.data_dir is empty: name the folder of your photos, which holds one folder per class")
    if store and Path(store).resolve().is_relative_to(Path(raw_dir).resolve()):
        raise UserError(
            f"TFDS_DATA_DIR={store} lies in dataset.data_dir={raw_dir}, among the photos: choose another place for the "
            "prepared records"
        )


class ImageFolder(LocalBuilder):
    """Builder of a folder of photos; made by `create`."""

    VERSION = tfds.core.Version("1.1.0")  # raised where other photos of a folder are taken, or read otherwise

    def _info(self) -> tfds.core.DatasetInfo:
        return self.labelled_photos(
            "A user's photos, in a folder for each class.",
            {
                "label": tfds.features.ClassLabel(),  # named once the folder is read
                "path": tfds.features.Text(),
            },
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        config = self.builder_config
        examination = examine(config)
        self.info.features["label"].names = examination.listing.class_names
        self.info.metadata["protocol"] = "; ".join(
            [
                counted(len(examination.listing.class_names), "class"),
                *how_divided(examination.listing, examination.divided, config),
                counted(len(examination.unreadable), "unreadable photo") + " skipped",
                *_left_out(examination.listing),
                counted(sum(not print_.is_kept for print_ in examination.fingerprints.values()), "photo")
                + " rewritten",
                *_suspicious(examination),
            ]
        )
        return {split: self._generate_examples(examination.divided[split]) for split in SPLITS}

    def _generate_examples(self, photos: Sequence[Photo]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo, encoded in zip(photos, self.records([photo.file for photo in photos]), strict=True):
            example = {"image": io.BytesIO(encoded), "label": photo.class_name, "path": photo.path}
            yield photo.path, example


def examine(config: ImageFolderConfig) -> Examination:
    """The examination of a config's folder by `folder_examination.examine`."""
    return folder_examination.examine(config.name, config.raw_dir, config.division)


def how_divided(listing: Listing, divided: Divided, config: ImageFolderConfig) -> Iterator[str]:
    """Sentences on where val and test come from, and on classes with too few photos in a split."""
    present = [split for split in SPLITS if split in listing.photos and split != "train"]
    if present:
        yield f"{' and '.join(present)} as the folder has {'them' if len(present) > 1 else 'it'}"
    division = config.division
    made = []
    for split, fraction in (("val", division.val_fraction), ("test", division.test_fraction)):
        if split == "test" and division.folds:
            made.append(f"test is part {division.fold + 1} of {division.folds} of the photos")
        elif split not in listing.photos:
            made.append(f"{split} is {100 * fraction:g} % of each class{' of train' if present else ''}")
    if made:
        yield f"{' and '.join(made)}, by a hash of the paths (seed {division.seed})"
    numbers = Counter(photo.class_name for photo in divided["train"])
    single = [name for name in listing.class_names if numbers[name] == 1]
    if single:
        logging.warning("classes with one photo to train on: %s", listed(single))
        yield counted(len(single), "class") + " with one photo to train on"
    for split in ("val", "test"):
        names = {photo.class_name for photo in divided[split]}
        absent = [name for name in listing.class_names if name not in names]
        if absent:
            logging.warning("classes without a photo in %s: %s", split, listed(absent))
            yield f"{split} holds {len(names)} of the {len(listing.class_names)} classes"


def _left_out(listing: Listing) -> Iterator[str]:
    if listing.others:
        logging.warning("files that are not photos or not in the folder of a class: %s", listed(listing.others))
        yield counted(len(listing.others), "other file") + " left out"
    if listing.empty:
        logging.warning("class folders without photos: %s", listed(listing.empty))
        yield counted(len(listing.empty), "empty class folder") + " left out"


def _suspicious(examination: Examination) -> Iterator[str]:
    """Sentences on photos that make results on this dataset unreliable."""
    contradictory = examination.under_several_classes()
    if contradictory:
        logging.warning(
            "the same photo under several classes: %s", listed([" = ".join(paths) for paths in contradictory])
        )
        yield f"{counted(len(contradictory), 'photo')} under several classes"
    pairs = examination.nearly_the_same(across=True)
    if pairs:
        named = [f"{one} ({a}) = {other} ({b})" for (a, one), (b, other) in pairs]
        logging.warning("nearly the same photo in two splits: %s", listed(named, limit=20))
    yield f"{counted(len(pairs), 'pair')} of nearly the same photo in two splits"
