import contextlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging as absl_logging

from jdnet_jax import data
from jdnet_jax.data import builders, datasets, preparation, records
from jdnet_jax.process.errors import UserError
from tests.data.drawn_dataset import prepare_drawn
from tests.data.tiny import TINY_SIZES, TinyPhotos, augment_config, dataset_config

FOOD101_SPLITS = {"train": "train[:90%]", "val": "train[90%:]", "test": "validation"}


@pytest.fixture
def tiny_builder(store, monkeypatch):
    """Makes `tiny_photos` one of the project's datasets."""
    create = builders.Ours(lambda raw_dir, store: TinyPhotos(data_dir=store), ())
    monkeypatch.setitem(builders.OURS, "tiny_photos", create)


@pytest.mark.usefixtures("tiny_builder")
class TestPrepare:
    def test_describes_the_dataset(self, store):
        dataset = data.prepare(dataset_config("tiny_photos"))
        assert dataset.name == "tiny_photos"
        assert dataset.class_names == ("0", "1", "2", "3")
        assert dataset.sizes == TINY_SIZES
        assert dataset.splits == {"train": "train", "val": "val", "test": "test"}
        assert dataset.shuffle_buffer == 1024
        assert dataset.protocol == "tiny_photos/1.0.0: train 13 (train), val 5 (val), test 7 (test)"
        assert dataset.builder.data_path == store / "tiny_photos" / "1.0.0"

    def test_is_found_where_it_is_prepared_and_prepares_nothing(self, store):
        config = dataset_config("tiny_photos")
        assert datasets.find_prepared(config) is None
        assert not store.exists() or not [*store.iterdir()]
        prepared = data.prepare(config)
        assert datasets.find_prepared(config).protocol == prepared.protocol
        assert datasets.find_prepared(dataset_config("tiny_photoz")) is None  # no such dataset

    def test_split_strings(self):
        splits = {"train": "train[:75%]", "val": "train[75%:]", "test": "val+test"}
        dataset = data.prepare(dataset_config("tiny_photos", splits=splits))
        assert dataset.sizes == {"train": 10, "val": 3, "test": 12}
        batches = list(data.eval_batches(dataset, "test", batch_size=4, image_size=8, crop_fraction=1.0))
        np.testing.assert_array_equal(np.concatenate([batch["index"] for batch in batches]), range(12))

    @pytest.mark.parametrize(
        ("train", "val", "expected"),
        [
            ("train", "val", False),
            ("train[:75%]", "train[75%:]", False),
            ("train[:75%]", "train[70%:]", True),
            ("train+val", "val[2:]", True),
            ("val", "train+val", True),
        ],
    )
    def test_splits_that_share_examples(self, train, val, expected):
        splits = {"train": train, "val": val, "test": "test"}
        assert data.prepare(dataset_config("tiny_photos", splits=splits)).overlap("train", "val") is expected

    def test_prepares_once(self, monkeypatch):
        data.prepare(dataset_config("tiny_photos"))
        monkeypatch.setattr(TinyPhotos, "_generate_examples", None)
        assert data.prepare(dataset_config("tiny_photos")).sizes == TINY_SIZES

    @pytest.mark.parametrize(
        ("split", "reason"),
        [
            ("validation", "Unknown split 'validation'"),
            ("train[:", r"Error parsing split 'train\[:'"),
        ],
    )
    def test_bad_split(self, split, reason):
        splits = {"train": "train", "val": split, "test": "test"}
        expected = rf"^dataset.splits.val='.*' of tiny_photos, which has train, val, test: {reason}[^\n]*$"
        with pytest.raises(UserError, match=expected):
            data.prepare(dataset_config("tiny_photos", splits=splits))

    def test_empty_split(self):
        splits = {"train": "train", "val": "val[1:1]", "test": "test"}
        with pytest.raises(UserError, match=r"val='val\[1:1\]' of tiny_photos holds no images; choose a larger split"):
            data.prepare(dataset_config("tiny_photos", splits=splits))

    def test_cached_records_need_no_files_after_the_first_pass(self, store):
        config = dataset_config("tiny_photos", splits={"train": "train", "val": "val", "test": "train"}, cache=True)
        dataset = data.prepare(config)

        def labels(role):
            batches = data.eval_batches(dataset, role, batch_size=1, image_size=8, crop_fraction=1.0)
            return [int(batch["label"][0]) for batch in batches]

        first = {role: labels(role) for role in ("train", "val", "test")}
        for file in dataset.builder.data_path.glob("*.tfrecord*"):
            file.unlink()
        assert {role: labels(role) for role in ("train", "val")} == {role: first[role] for role in ("train", "val")}
        with pytest.raises(UserError, match=r"train.tfrecord-00000-of-00001 is missing: delete the folder"):
            labels("test")

    def test_a_cache_says_what_it_takes(self, store, monkeypatch):
        lines = []
        monkeypatch.setattr(absl_logging, "info", lambda text, *args: lines.append(text % args))
        monkeypatch.setattr(records, "stored_bytes", lambda builder, split: {"train": 3 * 10**9, "val": 10**9}[split])
        monkeypatch.setattr(records, "room_for_cache", lambda: 4 * 10**9)
        data.prepare(dataset_config("tiny_photos", cache=True))
        assert lines[-1] == (
            "the records of train and val take 4.00 GB of memory in each process; "
            "4.00 GB of memory are available for them"
        )

    def test_a_cache_that_does_not_fit_is_refused(self, store, monkeypatch):
        monkeypatch.setattr(records, "room_for_cache", lambda: 0)
        with pytest.raises(UserError, match=r"^config.dataset.cache: the records of train and val take 0.00 GB .*"):
            data.prepare(dataset_config("tiny_photos", cache=True))

    def test_unknown_option(self):
        with pytest.raises(
            UserError, match=r"dataset.options.fold is not an option of grocery_store; its options: labels, val"
        ):
            data.prepare(dataset_config("grocery_store", options={"fold": 1}))

    def test_set_without_labels(self, monkeypatch):
        def unlabelled(builder):
            features = {"image": tfds.features.Image(), "objects": tfds.features.Text()}
            return builder.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), description="")

        def examples(builder, split, size):
            yield 0, {"image": np.zeros((4, 4, 3), np.uint8), "objects": "none"}

        monkeypatch.setattr(TinyPhotos, "_info", unlabelled)
        monkeypatch.setattr(TinyPhotos, "_generate_examples", examples)
        with pytest.raises(UserError, match=r"no ClassLabel 'label' among its features \(image, objects\)"):
            data.prepare(dataset_config("tiny_photos"))


@pytest.mark.usefixtures("tiny_builder")
class TestInterruptions:
    def test_an_interrupted_preparation_is_not_taken_for_a_finished_one(self, store, monkeypatch):
        whole = TinyPhotos._generate_examples

        def interrupted(builder, split, size):
            yield from whole(builder, split, size)
            if split == "test":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(TinyPhotos, "_generate_examples", interrupted)
            with pytest.raises(KeyboardInterrupt):
                data.prepare(dataset_config("tiny_photos"))
        assert not (store / "tiny_photos" / "1.0.0").exists()
        assert data.prepare(dataset_config("tiny_photos")).sizes == TINY_SIZES

    def test_a_full_disk_is_one_line(self, monkeypatch):
        def full(builder, split, size):
            raise OSError(28, "No space left on device")
            yield

        monkeypatch.setattr(TinyPhotos, "_generate_examples", full)
        with pytest.raises(UserError, match=r"^dataset tiny_photos could not be prepared in \S+: .*No space left"):
            data.prepare(dataset_config("tiny_photos"))

    def test_the_loser_of_a_race_between_machines_takes_the_winners_records(self, monkeypatch):
        """Without the lock, which only this machine sees, another preparation finishes while this one runs."""
        whole = TinyPhotos._generate_examples

        def overtaken(builder, split, size):
            monkeypatch.setattr(TinyPhotos, "_generate_examples", whole)
            data.prepare(dataset_config("tiny_photos"))
            yield from whole(builder, split, size)

        monkeypatch.setattr(preparation, "locked", lambda path: contextlib.nullcontext())
        monkeypatch.setattr(TinyPhotos, "_generate_examples", overtaken)
        dataset = data.prepare(dataset_config("tiny_photos"))
        assert sum(batch["mask"].sum() for batch in eval_all(dataset)) == TINY_SIZES["test"]


def eval_all(dataset):
    return list(data.eval_batches(dataset, "test", batch_size=4, image_size=8, crop_fraction=1.0))


PREPARE_IN_A_PROCESS = """
from jdnet_jax import data
from jdnet_jax.data import builders, datasets
from tests.data.tiny import TinyPhotos, dataset_config
from absl import logging

logging.set_verbosity(logging.INFO)
builders.OURS["tiny_photos"] = builders.Ours(lambda raw_dir, store: TinyPhotos(data_dir=store), ())
whole = TinyPhotos._generate_examples
def counted(builder, split, size):
    print("generating", split, flush=True)
    yield from whole(builder, split, size)
TinyPhotos._generate_examples = counted
print(data.prepare(dataset_config("tiny_photos")).protocol)
"""


@pytest.mark.slow
def test_two_processes_prepare_at_once(store):
    """Both end well, and only one of them does the work."""
    command = [sys.executable, "-c", PREPARE_IN_A_PROCESS]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all("train 13 (train), val 5 (val), test 7 (test)" in output for output in outputs)
    assert "".join(outputs).count("generating train") == 1


class TestTfdsNames:
    def test_unknown_name(self):
        with pytest.raises(UserError, match=r"'fod101' is neither .* near it are .*food101") as error:
            data.prepare(dataset_config("fod101"))
        assert "\n" not in str(error.value)

    def test_a_prepared_folder_needs_no_builder(self, tmp_path):
        """It may have been prepared elsewhere, by a builder that is not registered here."""
        TinyPhotos(data_dir=tmp_path).download_and_prepare()
        dataset = data.prepare(dataset_config("tiny_photos", data_dir=str(tmp_path)))
        assert dataset.sizes == TINY_SIZES
        assert sum(batch["mask"].sum() for batch in eval_all(dataset)) == TINY_SIZES["test"]

    @pytest.mark.parametrize("name", ["food101:9.9.9", "food101/none", "Not A Name"])
    def test_bad_names_are_one_line(self, name):
        with pytest.raises(UserError, match=r"dataset.name=") as error:
            data.prepare(dataset_config(name))
        assert "\n" not in str(error.value)

    def test_food101(self, tmp_path, monkeypatch):
        """The official test split is tested on; a tenth of train is held out to tune on."""
        prepare_drawn("food101", {"train": 40, "validation": 12}, tmp_path, monkeypatch)
        dataset = data.prepare(dataset_config("food101", splits=FOOD101_SPLITS, data_dir=str(tmp_path)))
        assert len(dataset.class_names) == 101
        assert dataset.class_names[:2] == ("apple_pie", "baby_back_ribs")
        assert dataset.sizes == {"train": 36, "val": 4, "test": 12}
        run_through(dataset)

    @pytest.mark.parametrize(
        ("name", "classes", "official", "held_out"),
        [
            ("cifar10", 10, "test", "train[90%:]"),
            ("cifar100", 100, "test", "train[90%:]"),
            ("svhn_cropped", 10, "test", "train[90%:]"),
            ("imagenet2012", 1000, "validation", "train[90%:]"),  # the labels of its `test` are not public
        ],
    )
    def test_exact_features_of_the_benchmarks(self, name, classes, official, held_out, tmp_path, monkeypatch):
        """Tested on the official split, tuned on a hold-out of train."""
        prepare_drawn(name, {"train": 20, official: 7}, tmp_path, monkeypatch)
        splits = {"train": "train[:90%]", "val": held_out, "test": official}
        dataset = data.prepare(dataset_config(name, splits=splits, data_dir=str(tmp_path)))
        assert len(dataset.class_names) == classes
        assert f"train 18 (train[:90%]), val 2 ({held_out}), test 7 ({official})" in dataset.protocol
        run_through(dataset)

    def test_greyscale_images_become_rgb(self, tmp_path, monkeypatch):
        prepare_drawn("mnist", {"train": 3}, tmp_path, monkeypatch)
        splits = {"train": "train", "val": "train", "test": "train"}
        images = run_through(data.prepare(dataset_config("mnist", splits=splits, data_dir=str(tmp_path))))
        np.testing.assert_array_equal(images, images[..., :1].repeat(3, -1))

    def test_another_record_format_is_named(self, tmp_path):
        TinyPhotos(data_dir=tmp_path, file_format="array_record").download_and_prepare()
        with pytest.raises(UserError, match=r"tiny_photos in .* was prepared as array_record: prepare it as tfrecord"):
            data.prepare(dataset_config("tiny_photos", data_dir=str(tmp_path)))


def run_through(dataset):
    """Evaluates all three splits and trains an epoch; returns the test images."""
    for role in ("train", "val", "test"):
        batches = list(data.eval_batches(dataset, role, batch_size=4, image_size=16, crop_fraction=0.875))
        assert sum(batch["mask"].sum() for batch in batches) == dataset.sizes[role]
    size = dataset.sizes["train"]
    training = data.train_batches(
        dataset, batch_size=size, image_size=16, seed=0, start_step=3, augment=augment_config()
    )
    batch = next(training)
    np.testing.assert_array_equal(np.sort(batch["index"]), range(size))
    assert batch["image"].shape == (size, 16, 16, 3)
    assert 0 <= batch["label"].min() <= batch["label"].max() < len(dataset.class_names)
    return np.concatenate([batch["image"] for batch in batches])


class TestSyntheticMeals:
    def test_options_reach_the_builder(self, store):
        options = {"size": 32, "counts": (12, 2, 3), "seed": 5}
        dataset = data.prepare(dataset_config("synthetic_meals", options=options))
        assert dataset.sizes == {"train": 12, "val": 2, "test": 3}
        assert len(dataset.class_names) == 12
        batch = next(data.eval_batches(dataset, "test", batch_size=3, image_size=32, crop_fraction=1.0))
        assert batch["image"].shape == (3, 32, 32, 3)

    def test_the_default_is_the_builders_own_config(self, store):
        builder = builders.create("synthetic_meals", "", {"seed": 0})
        assert builder.builder_config is builder.BUILDER_CONFIGS[0]

    def test_bad_values_are_the_users(self, store):
        with pytest.raises(UserError, match=r"dataset.options: size=3 of synthetic_meals must be at least 16"):
            data.prepare(dataset_config("synthetic_meals", options={"size": 3}))

    def test_there_is_nothing_to_read(self, store, tmp_path):
        with pytest.raises(UserError, match=r"synthetic_meals is drawn, not read; leave data_dir empty"):
            data.prepare(dataset_config("synthetic_meals", data_dir=str(tmp_path)))


def test_the_log_is_free_of_chatter(tiny_builder, caplog):
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.INFO)
    try:
        data.prepare(dataset_config("tiny_photos"))
    finally:
        absl_logging.set_verbosity(verbosity)
    messages = [record.getMessage() for record in caplog.records if record.name == "absl"]
    assert messages == ["dataset tiny_photos/1.0.0: train 13 (train), val 5 (val), test 7 (test)"]
