"""A tiny dataset of real records, and configs for the tests."""

import io

import numpy as np
import tensorflow_datasets as tfds
from ml_collections import ConfigDict
from PIL import Image

TINY_SIZES = {"train": 13, "val": 5, "test": 7}


def smooth_photo(seed: int, height: int, width: int) -> np.ndarray:
    """A picture without noise, so that JPEG and resizing change it little: uint8 [height, width, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR))


def encode(image: np.ndarray, kind: str) -> bytes:
    """The bytes of an image file of `kind` 'JPEG' or 'PNG'."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


class TinyPhotos(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Photos of several sizes, JPEG and PNG by turns, over 4 classes."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(num_classes=4),
                }
            ),
            description="Tiny photos.",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split, size) for split, size in TINY_SIZES.items()}

    def _generate_examples(self, split, size):
        for i in range(size):
            photo = smooth_photo(i, 20 + i % 4, 30 - i % 5)
            yield i, {"image": io.BytesIO(encode(photo, "JPEG" if i % 2 else "PNG")), "label": i % 4}


def dataset_config(name: str, **changes) -> ConfigDict:
    """A `config.dataset` as the configs have it."""
    splits = changes.pop("splits", {"train": "train", "val": "val", "test": "test"})
    defaults = {"data_dir": "", "options": {}, "shuffle_buffer": 1024, "cache": False}
    return ConfigDict({"name": name, "splits": splits, **defaults, **changes})


NO_JITTER = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def augment_config(**changes) -> ConfigDict:
    """A `config.augment` with crops, flips and colours on, as `changes` say."""
    defaults = {
        "crop_scale": (0.3, 1.0),
        "crop_ratio": (0.75, 4 / 3),
        "pad": 0,
        "flip": True,
        "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
        "rand_augment": {"layers": 0, "magnitude": 9.0},
        "erasing": 0.0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "mix_probability": 1.0,
        "repeats": 1,
    }
    return ConfigDict({**defaults, **changes})
