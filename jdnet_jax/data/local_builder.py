"""Base class of the builders for a user's files."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from jdnet_jax.data import photo_file, photo_limits
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.parallel import in_order
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

T = TypeVar("T")

#: An option as the config has it: of any type, until `create` has checked it.
Unchecked = Any

_SAY_EVERY = 1_000  # photos


@dataclasses.dataclass(eq=False)
class LocalConfig(tfds.core.BuilderConfig):
    """The options of a build: the files in `raw_dir`."""

    raw_dir: str = ""


class LocalBuilder(tfds.core.GeneratorBasedBuilder):
    """A builder that downloads nothing."""

    def download_and_prepare(self, **options: Any) -> None:
        """Prepares the records if necessary, without asking TFDS's public bucket; takes TFDS's options."""
        config = options.pop("download_config", None) or tfds.download.DownloadConfig()
        config = dataclasses.replace(config, try_download_gcs=False)
        with photo_limits.quiet_pillow(), without_talk_of_downloads():
            super().download_and_prepare(download_config=config, **options)

    def labelled_photos(
        self, description: str, features: Mapping[str, Any], homepage: str | None = None
    ) -> tfds.core.DatasetInfo:
        """The `DatasetInfo` for labelled photos that are JPEG or PNG, as `photo_file` makes them.

        Args:
            description: description of the dataset.
            features: the features other than the image, `label` among them.
            homepage: homepage of the dataset.
        """
        return self.dataset_info_from_configs(
            description=description,
            features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(None, None, 3)), **features}),
            supervised_keys=("image", "label"),
            homepage=homepage,
            metadata=tfds.core.MetadataDict(),
        )

    def records(self, files: Iterable[Path]) -> Iterator[bytes]:
        """The records to store for readable photos.

        Raises:
            UserError: one of them can no longer be read.
        """

        def record(file: Path) -> bytes:
            try:
                return photo_file.record_of(file)
            except UnreadablePhotoError as error:
                raise UserError(f"{file} changed while it was read ({error}): run the same command again") from error

        files = list(files)
        return in_order(record, with_progress(files, "writing photos") if len(files) > _SAY_EVERY else files)


@contextlib.contextmanager
def without_talk_of_downloads() -> Iterator[None]:
    """Suppresses TFDS's messages and bars about downloads: nothing is fetched, and `with_progress` reports more."""
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()


def with_progress(items: Collection[T], what: str) -> Iterator[T]:
    """The items unchanged, with a line of progress every 1,000 items."""
    for number, item in enumerate(items):
        if number % _SAY_EVERY == 0:
            say(f"{what}, once: photo {number} of {len(items)}")
        yield item
