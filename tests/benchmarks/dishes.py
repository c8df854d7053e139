"""A folder of real dishes, few of each, for `image_folder`: 25 classes of Food-101 at 64 x 64 pixels.

    python -m tests.benchmarks.dishes FOLDER NEW

FOLDER is that of `configs/food101_64.py`. Of each class NEW/train has 40 photos and NEW/val 10, from the official
train; NEW/test has all of the official test. Classes and photos are drawn with seed 0.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from pathlib import Path

from jdnet_jax.data import parquet_files, parquet_rows

CLASSES = 25
TRAIN, VAL = 40, 10


def copy(dataset: Path, output: Path) -> list[str]:
    """Copies the photos, and returns the classes in the order of their labels.

    Args:
        dataset: the folder with the Parquet files.
        output: the folder for `train`, `val` and `test`.
    """
    rng = random.Random(0)
    photos, names = {}, ()
    for split, files in parquet_files.find(str(dataset)).splits.items():
        tables = [parquet_rows.inspect(file, "image", "label") for file in files]
        names = tables[0].names
        photos[split] = defaultdict(list)
        for table in tables:
            for image, label in parquet_rows.images_and_labels(table):
                photos[split][label].append(image)
    chosen = sorted(rng.sample(range(len(names)), CLASSES))
    for label in chosen:
        drawn = rng.sample(photos["train"][label], TRAIN + VAL)
        for split, images in (("train", drawn[:TRAIN]), ("val", drawn[TRAIN:]), ("test", photos["test"][label])):
            place = output / split / names[label]
            place.mkdir(parents=True)
            for number, image in enumerate(images):
                (place / f"{number:03}.jpg").write_bytes(image)
    return [names[label] for label in chosen]


if __name__ == "__main__":
    print(*copy(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
