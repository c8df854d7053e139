import hashlib
from collections import Counter

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jdnet_jax.data.synthetic_meals import CLASS_NAMES, SyntheticMeals, SyntheticMealsConfig, render
from jdnet_jax.data.synthetic_meals.builder import DEFAULT_COUNTS, SPLITS, example

COUNTS = (26, 12, 13)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    made = SyntheticMeals(
        data_dir=tmp_path_factory.mktemp("store"), config=SyntheticMealsConfig(size=32, counts=COUNTS)
    )
    made.download_and_prepare()
    return made


def test_splits_features_and_names(builder):
    assert {split: builder.info.splits[split].num_examples for split in SPLITS} == dict(
        zip(SPLITS, COUNTS, strict=True)
    )
    assert builder.info.features["image"].shape == (32, 32, 3)
    assert builder.info.features["mask"].shape == (32, 32, 1)
    assert tuple(builder.info.features["label"].names) == CLASS_NAMES
    assert len(CLASS_NAMES) == 12


def test_records_hold_what_the_renderer_draws(builder):
    drawn = {}
    for index in range(COUNTS[2]):
        photo = example("test", index, 32)
        drawn[photo["image"].tobytes()] = photo
    records = list(tfds.as_numpy(builder.as_dataset(split="test")))
    assert len(records) == len(drawn)
    for record in records:
        photo = drawn[record["image"].tobytes()]
        assert record["label"] == photo["label"]
        np.testing.assert_array_equal(record["mask"][..., 0], photo["mask"].astype(np.uint8) * 255)


def test_classes_are_balanced_to_within_one_photo(builder):
    for split in SPLITS:
        counts = Counter(int(record["label"]) for record in tfds.as_numpy(builder.as_dataset(split=split)))
        assert set(counts) == set(range(12))
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_photo_is_in_two_splits(builder):
    digests = {
        split: {
            hashlib.sha256(record["image"].tobytes()).digest()
            for record in tfds.as_numpy(builder.as_dataset(split=split))
        }
        for split in SPLITS
    }
    assert [len(digests[split]) for split in SPLITS] == list(COUNTS)  # and none is there twice
    assert len(set.union(*digests.values())) == sum(COUNTS)


def test_an_example_is_a_function_of_seed_split_and_index():
    first = example("val", 5)
    image, mask = render(5, (0, 1, 5))
    np.testing.assert_array_equal(first["image"], image)
    np.testing.assert_array_equal(first["mask"], mask)
    for other in (example("train", 5), example("val", 17), example("val", 5, seed=1)):
        assert other["label"] == first["label"]
        assert (other["image"] != first["image"]).mean() > 0.5


def test_preparing_says_how_far_it_is_and_nothing_of_downloads(tmp_path, capfd):
    builder = SyntheticMeals(data_dir=tmp_path, config=SyntheticMealsConfig(size=16, counts=(1, 1, 1)))
    capfd.readouterr()  # TFDS warns of a custom config where an earlier test has set up absl's logging
    builder.download_and_prepare()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"drawing synthetic_meals, once: {split} photo 0 of 1" for split in ("train", "val", "test")
    ]


def test_an_interrupted_preparation_leaves_nothing_that_looks_prepared(tmp_path, monkeypatch):
    config = SyntheticMealsConfig(size=16, counts=(6, 1, 1))

    def interrupt(split, index, size, seed):
        if index == 3:
            raise KeyboardInterrupt
        return example(split, index, size, seed)

    with monkeypatch.context() as patch:
        patch.setattr("jdnet_jax.data.synthetic_meals.builder.example", interrupt)
        with pytest.raises(KeyboardInterrupt):
            SyntheticMeals(data_dir=tmp_path, config=config).download_and_prepare()
    assert not SyntheticMeals(data_dir=tmp_path, config=config).is_prepared()
    again = SyntheticMeals(data_dir=tmp_path, config=config)
    again.download_and_prepare()
    assert again.info.splits["train"].num_examples == 6


def test_config_names_encode_the_options():
    assert SyntheticMealsConfig().name == "96px"
    assert SyntheticMealsConfig().counts == DEFAULT_COUNTS == (4_000, 600, 1_200)
    assert SyntheticMealsConfig(size=32, counts=(24, 12, 13), seed=4).name == "32px_24_12_13_seed4"
    assert SyntheticMealsConfig(seed=4).name == "96px_seed4"


def test_the_default_config_may_be_given_or_left_out(tmp_path):
    given = SyntheticMeals(data_dir=tmp_path, config=SyntheticMealsConfig())
    assert given.data_path == SyntheticMeals(data_dir=tmp_path).data_path
    assert given.data_path.parent.name == "96px"


@pytest.mark.parametrize("options", [{"size": 8}, {"counts": (1, 2)}, {"counts": (0, 1, 1)}, {"seed": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SyntheticMealsConfig(**options)
