import numpy as np
import pytest

from jdnet_jax import data
from jdnet_jax.data import chosen
from tests.data.test_image_folder import make_classes
from tests.data.tiny import dataset_config


def labels(dataset, role, size):
    (batch,) = data.eval_batches(dataset, role, batch_size=size, image_size=16, crop_fraction=1.0)
    return batch


def test_photos_are_of_different_classes_as_long_as_there_are_some(tiny):
    test = labels(tiny, "test", 7)  # of 4 classes, two photos each but for the last
    for seed in range(5):
        four = chosen.spread_over_classes(tiny, "test", 4, seed)
        assert sorted(test["label"][four]) == [0, 1, 2, 3]
        six = chosen.spread_over_classes(tiny, "test", 6, seed)
        assert set(four) <= set(six)
        assert np.bincount(test["label"][six]).min() == 1
        assert list(six) == sorted(set(six))


def test_the_seed_decides_which(tiny):
    drawn = [tuple(chosen.spread_over_classes(tiny, "train", 4, seed)) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_no_more_than_there_are(tiny):
    np.testing.assert_array_equal(chosen.spread_over_classes(tiny, "val", 9, 0), np.arange(5))


def test_views_are_those_of_evaluation_in_the_order_asked_for(tiny):
    test = labels(tiny, "test", 7)
    found = chosen.views(tiny, "test", [6, 0, 3], 16, 1.0, "crop")
    assert set(found) == set(test)
    for name, rows in found.items():
        np.testing.assert_array_equal(rows, test[name][[6, 0, 3]])
    with pytest.raises(ValueError, match=r"the split test has not all of the photos \[6, 7\]"):
        chosen.views(tiny, "test", [6, 7], 16, 1.0, "crop")


def test_files_are_told_where_the_dataset_records_them(tiny, tmp_path, monkeypatch):
    assert chosen.paths(tiny, "test") is None
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    root = make_classes(tmp_path / "photos", apple=6, pear=6)
    dataset = data.prepare(dataset_config("image_folder", data_dir=str(root)))
    (batch,) = data.eval_batches(dataset, "train", batch_size=8, image_size=16, crop_fraction=1.0)
    found = chosen.paths(dataset, "train")
    assert [path.split("/")[0] for path in found] == [dataset.class_names[label] for label in batch["label"]]
    assert all((root / path).is_file() for path in found)
