"""Two small folders of the Grocery Store Dataset, for the way of a person with few photos:

    python -m tests.benchmarks.eight_foods PATH/dataset NEW

NEW/photos has 200 photos, 25 from `train.txt` of each of the eight fine classes with the most photos there (of equal
ones the smaller id); NEW/other has 32, 4 from `test.txt` of each of these classes. Which ones is drawn with seed 0.
"""

from __future__ import annotations

import csv
import random
import shutil
import sys
from collections import defaultdict
from pathlib import Path

CLASSES = 8
DRAWN = (("photos", "train.txt", 25), ("other", "test.txt", 4))


def copy(dataset: Path, output: Path) -> list[str]:
    """Copies the photos, and returns the classes in the order of their ids.

    Args:
        dataset: the folder with `classes.csv` and the lists.
        output: the folder for both folders.
    """
    with open(dataset / "classes.csv", encoding="utf-8", newline="") as file:
        names = {int(row[1]): row[0] for row in list(csv.reader(file))[1:]}
    photos = _of_classes(dataset / "train.txt")
    chosen = sorted(sorted(photos, key=lambda number: (-len(photos[number]), number))[:CLASSES])
    rng = random.Random(0)
    for folder, name, count in DRAWN:
        photos = _of_classes(dataset / name)
        for number in chosen:
            place = output / folder / names[number]
            place.mkdir(parents=True)
            for path in sorted(rng.sample(sorted(photos[number]), count)):
                shutil.copy(dataset / path, place)
    return [names[number] for number in chosen]


def _of_classes(file: Path) -> dict[int, list[str]]:
    """The paths of a list by fine class; a line is `path, fine id, coarse id`."""
    photos = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines():
        path, number, _ = line.split(", ")
        photos[int(number)].append(path)
    return photos


if __name__ == "__main__":
    print(*copy(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
