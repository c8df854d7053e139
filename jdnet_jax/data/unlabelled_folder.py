"""Photos without labels, in a folder and the folders below it, for a share of each training batch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jdnet_jax.data import image_check, photo_file
from jdnet_jax.data.folder_listing import probe
from jdnet_jax.data.folder_walk import files_below, is_photo_name, shown
from jdnet_jax.data.local_builder import LocalBuilder, LocalConfig, with_progress
from jdnet_jax.data.wording import counted
from jdnet_jax.process.errors import UserError

#: What stands where a photo's label would.
NO_LABEL = -1


def create(folder: str, store: str | None) -> UnlabelledFolder:
    """The builder for a folder of photos, whose records lie in a place that a digest of the photos names.

    Args:
        folder: it and all folders below it are searched; their names mean nothing.
        store: TFDS data directory; None for TFDS's default.

    Raises:
        UserError: the folder is not there or holds no photos.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"dataset.unlabelled={folder!r} is not a folder: name one of photos, or leave it empty")
    photos = _photos(root)
    if not photos:
        raise UserError(f"dataset.unlabelled={folder!r} holds no photos: name a folder of photos, or leave it empty")
    sha = hashlib.sha256()
    for photo in photos:
        sha.update(repr(shown(photo, root)).encode())
        sha.update(probe(photo))
    return UnlabelledFolder(data_dir=store, config=LocalConfig(name=sha.hexdigest()[:12], raw_dir=folder))


class UnlabelledFolder(LocalBuilder):
    """Builder of photos without labels; made by `create`. Its one split is `train`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Photos without labels.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),  # JPEG or PNG, as `photo_file` has it
                    "label": tfds.features.Scalar(np.int64),
                }
            ),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        root = Path(self.builder_config.raw_dir)
        photos = _photos(root)
        bad = image_check.unreadable(with_progress(photos, f"reading {root}"), photo_file.record_of)
        image_check.refuse_many(bad, len(photos), root, own=True)
        self.info.metadata["protocol"] = counted(len(bad), "unreadable photo") + " skipped"
        return {"train": self._generate_examples(root, [photo for photo in photos if photo not in bad])}

    def _generate_examples(self, root: Path, photos: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
        for photo, encoded in zip(photos, self.records(photos), strict=True):
            yield str(photo.relative_to(root)), {"image": io.BytesIO(encoded), "label": NO_LABEL}


def _photos(root: Path) -> list[Path]:
    return [file for file in files_below(root) if is_photo_name(file)]
