"""The TFDS builder of `synthetic_meals`."""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, UInt8

from jdnet_jax.data.local_builder import without_talk_of_downloads
from jdnet_jax.data.synthetic_meals.renderer import DEFAULT_SIZE, render
from jdnet_jax.data.synthetic_meals.scene import CLASS_NAMES
from jdnet_jax.process.progress import say

SPLITS = ("train", "val", "test")
DEFAULT_COUNTS = (4_000, 600, 1_200)
_SAY_EVERY = 1_000  # photos: about ten seconds


class SyntheticMealsConfig(tfds.core.BuilderConfig):
    """The options of a drawing. The name is made from them, so that data of other options lies elsewhere.

    Attributes:
        size: side of the photos in pixels, at least 16.
        counts: number of photos of train, val and test.
        seed: not negative; another seed draws other photos of the same distribution.
    """

    def __init__(self, *, size: int = DEFAULT_SIZE, counts: Sequence[int] = DEFAULT_COUNTS, seed: int = 0):
        """Checks the options and names the config: `96px` by default."""
        if size < 16:
            raise ValueError(f"size={size} of synthetic_meals must be at least 16 pixels")
        if len(counts) != len(SPLITS) or any(not isinstance(count, int) or count < 1 for count in counts):
            raise ValueError(f"counts={counts} of synthetic_meals must be three positive integers: {', '.join(SPLITS)}")
        if seed < 0:
            raise ValueError(f"seed={seed} of synthetic_meals must not be negative")
        self.size = size
        self.counts = tuple(counts)
        self.seed = seed
        name = f"{size}px"
        if self.counts != DEFAULT_COUNTS:
            name += "_" + "_".join(str(count) for count in self.counts)
        if seed:
            name += f"_seed{seed}"
        super().__init__(name=name, description=f"{sum(self.counts)} photos of {size} x {size} pixels, seed {seed}")


def example(split: str, index: int, size: int = DEFAULT_SIZE, seed: int = 0) -> dict[str, Any]:
    """Photo number `index` of a split: `image`, `mask` (bool) and `label`; a pure function of its arguments.

    Classes take turns, so that any run of consecutive photos is balanced to within one.
    """
    label = index % len(CLASS_NAMES)
    image, mask = render(label, (seed, SPLITS.index(split), index), size)
    return {"image": image, "mask": mask, "label": label}


class SyntheticMeals(tfds.core.GeneratorBasedBuilder):
    """Drawn photos of plates of food with exact masks; the dataset that comes with the project.

    12 classes; 4,000 train, 600 val and 1,200 test photos of 96 x 96 pixels, balanced to within one photo a class.
    Nothing is downloaded: `renderer.render` draws each photo from (seed, split, index). Ten classes differ in colour,
    texture and shape; `ketchup` and `chili_paste` are the same sauce, bit for bit, and differ only in what it lies on
    and beside. `mask` is 255 where the photo shows the food of the label and 0 elsewhere: side dishes, plates and
    whatever lies over the food are not part of it.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release: 12 classes, 5,800 photos."}  # noqa: RUF012 - TFDS reads a plain dict
    BUILDER_CONFIGS = [SyntheticMealsConfig()]  # noqa: RUF012 - TFDS reads a plain list

    def __init__(self, *, config: SyntheticMealsConfig | str | None = None, **options: Any):
        """Takes TFDS's options; `config` also as an object with the default options."""
        if isinstance(config, SyntheticMealsConfig) and config.name == self.BUILDER_CONFIGS[0].name:
            config = None  # TFDS refuses a config that is named as a listed one without being that object
        super().__init__(config=config, **options)

    def download_and_prepare(self, **options: Any) -> None:
        """Draws the photos, if that is still to do; takes TFDS's options.

        Nothing is fetched, so TFDS's messages about downloads are suppressed and its public bucket is not asked. TFDS
        renames the directory when it is complete, so an interrupted preparation never looks prepared.
        """
        config = options.pop("download_config", None) or tfds.download.DownloadConfig()
        config = dataclasses.replace(config, try_download_gcs=False)
        with without_talk_of_downloads():
            super().download_and_prepare(download_config=config, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.size
        return self.dataset_info_from_configs(
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                    "mask": tfds.features.Image(shape=(size, size, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(CLASS_NAMES)),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        return {
            split: self._generate_examples(split, count)
            for split, count in zip(SPLITS, self.builder_config.counts, strict=True)
        }

    def _generate_examples(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        config = self.builder_config
        for index in range(count):
            if index % _SAY_EVERY == 0:
                say(f"drawing synthetic_meals, once: {split} photo {index} of {count}")
            drawn = example(split, index, config.size, config.seed)
            yield index, {"image": _png(drawn["image"]), "mask": _png(drawn["mask"]), "label": drawn["label"]}


def _png(image: UInt8[np.ndarray, "size size 3"] | Bool[np.ndarray, "size size"]) -> io.BytesIO:
    """A PNG file (ISO/IEC 15948) of an RGB photo or of a mask (0 and 255), encoded in a fifth of the usual time.

    Every row is stored as its difference from the one above, and entropy coded without a search for repetitions, of
    which a noisy photo has none.
    """
    pixels = image.astype(np.uint8) * np.uint8(255) if image.dtype == bool else image
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # filter type "up"
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256
    deflate = zlib.compressobj(level=1, strategy=zlib.Z_HUFFMAN_ONLY if image.ndim == 3 else zlib.Z_RLE)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", deflate.compress(filtered.tobytes()) + deflate.flush()), (b"IEND", b""))
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
