import csv
import io

import numpy as np

from jdnet_jax.run import mistakes_file

CLASSES = ("apple", "pear, ripe", "寿司")
ARRAYS = {
    "test/label": np.array([0, 1, 2, 1]),
    "test/prediction": np.array([0, 2, 0, 0]),
    "test/calibrated": np.array([0.99, 0.5, 0.75, 0.875], np.float32),
    "test/path": np.array(["apple/1.jpg", "pear/1.jpg", "寿司/1.jpg", "pear/2.jpg"]),
}


def test_the_surest_mistake_comes_first():
    rows = list(csv.reader(io.StringIO(mistakes_file.text(ARRAYS, CLASSES))))
    assert rows == [
        ["photo", "label", "prediction", "probability"],
        ["pear/2.jpg", "pear, ripe", "apple", "0.875"],
        ["寿司/1.jpg", "寿司", "apple", "0.75"],
        ["pear/1.jpg", "pear, ripe", "寿司", "0.5"],
    ]


def test_a_dataset_without_files_has_no_mistakes_to_name():
    arrays = {key: value for key, value in ARRAYS.items() if key != "test/path"}
    assert list(mistakes_file.read(arrays, CLASSES)) == []
