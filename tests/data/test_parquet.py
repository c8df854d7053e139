import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow_datasets as tfds

from jdnet_jax import data
from jdnet_jax.data import parquet_photos
from jdnet_jax.data.parquet_photos import Photo
from jdnet_jax.process.errors import UserError
from tests.conftest import SHARED_DATA
from tests.data.tiny import dataset_config, encode, smooth_photo

pytestmark = pytest.mark.usefixtures("store")

CIFAR10 = SHARED_DATA / "cifar10_jpeg"
FOOD101 = SHARED_DATA / "food101_64"
NAMES = tuple("abcdefghij")


def images(count, seed=0):
    return [encode(smooth_photo(seed + number, 32, 32), "JPEG") for number in range(count)]


def write(file: Path, labels, contents, as_struct=False, names=(), kind=None, columns=("image", "label")):
    """Rows as they come, and where there are names those in the metadata, as the hub has them."""
    column = [{"bytes": content, "path": None} for content in contents] if as_struct else contents
    table = pyarrow.table({columns[0]: column, columns[1]: pyarrow.array(labels, kind)})
    if names:
        features = {columns[0]: {"_type": "Image"}, columns[1]: {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, file, row_group_size=70)


@pytest.fixture
def folder(tmp_path):
    """20 train images of each of 10 classes in two files, sorted by class, and 3 test images of each."""
    made = tmp_path / "set"
    labels, contents = np.repeat(range(10), 20), images(200)
    for part, rows in enumerate((slice(0, 90), slice(90, 200))):
        file = made / f"train-0000{part}-of-00002.parquet"
        write(file, labels[rows], contents[rows], as_struct=True, names=NAMES)
    file = made / "test-00000-of-00001.parquet"
    write(file, np.repeat(range(10), 3), images(30, seed=1000), as_struct=True, names=NAMES)
    return made


def prepare(where, **options):
    return data.prepare(dataset_config("parquet", data_dir=str(where), options=options))


def records(dataset, split):
    decoders = {"image": tfds.decode.SkipDecoding()}
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split, decoders=decoders)))


class TestFolder:
    def test_splits_are_stratified_and_test_is_the_set_s_own(self, folder):
        dataset = prepare(folder)
        assert dataset.class_names == NAMES
        for split, count in (("train", 18), ("val", 2), ("test", 3)):
            assert Counter(record["label"] for record in records(dataset, split)) == dict.fromkeys(range(10), count)
        assert {record["image"] for record in records(dataset, "test")} == set(images(30, seed=1000))

    def test_images_keep_their_bytes_and_labels(self, folder):
        expected = dict(zip(images(200), np.repeat(range(10), 20).tolist(), strict=True))
        dataset = prepare(folder)
        stored = {r["image"]: r["label"] for split in ("train", "val") for r in records(dataset, split)}
        assert stored == expected

    def test_records_are_not_in_the_order_of_the_rows(self, folder):
        """Else a shuffle buffer that is smaller than the split would see few classes at a time."""
        labels = [record["label"] for record in records(prepare(folder), "train")]
        assert len(set(labels[:18])) > 5

    @pytest.mark.parametrize("kind", [pyarrow.int8(), pyarrow.uint64()])
    def test_binary_and_any_integer_are_the_same(self, folder, tmp_path, kind):
        write(tmp_path / "plain" / "train.parquet", np.repeat(range(10), 20), images(200), names=NAMES, kind=kind)
        write(tmp_path / "plain" / "test.parquet", np.repeat(range(10), 3), images(30, seed=1000), kind=kind)
        ours, theirs = prepare(tmp_path / "plain"), prepare(folder)
        assert {r["image"] for r in records(ours, "val")} == {r["image"] for r in records(theirs, "val")}

    def test_protocol(self, folder):
        protocol = prepare(folder).protocol
        assert "train 180 (train), val 20 (val), test 30 (test); 10 classes; val is 10 % of each class of" in protocol
        assert "test from test-00000-of-00001.parquet; 0 unreadable photos skipped; 0 photos rewritten" in protocol

    def test_batches(self, folder):
        batches = list(data.eval_batches(prepare(folder), "test", batch_size=8, image_size=32, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 30

    def test_changed_files_are_prepared_anew(self, folder):
        before = prepare(folder)
        assert prepare(folder).builder.data_path == before.builder.data_path
        assert prepare(folder, names=NAMES[::-1]).builder.data_path != before.builder.data_path
        write(folder / "test-00000-of-00001.parquet", np.repeat(range(10), 3), images(30, seed=2000))
        assert prepare(folder).builder.data_path != before.builder.data_path

    def test_photos_that_tensorflow_would_get_wrong_are_rewritten(self, folder):
        rgba = np.zeros((8, 8, 4), np.uint8)
        write(folder / "test-00000-of-00001.parquet", [0], [encode(rgba, "PNG")])
        dataset = prepare(folder)
        assert "1 photo rewritten" in dataset.protocol
        batch = next(data.eval_batches(dataset, "test", batch_size=1, image_size=8, crop_fraction=1.0))
        assert batch["image"].min() == 255  # what is transparent lies on white

    def test_copies_are_named(self, folder, caplog):
        write(folder / "test-00000-of-00001.parquet", [0, 1], images(1) * 2)
        with caplog.at_level("WARNING"):
            protocol = prepare(folder).protocol
        assert "test holds 2 of the 10 classes" in protocol
        assert protocol.endswith("1 photo in several splits; 1 photo under several classes")


class TestNames:
    def test_of_an_option_go_before_those_of_the_metadata(self, folder, tmp_path):
        (tmp_path / "names.txt").write_text("\n".join(f"class {n}" for n in range(10)) + "\n")
        expected = tuple(f"class {n}" for n in range(10))
        assert prepare(folder, names=str(tmp_path / "names.txt")).class_names == expected
        assert prepare(folder, names=list(expected)).class_names == expected

    def test_are_the_labels_where_nothing_else_tells(self, tmp_path):
        write(tmp_path / "s" / "train.parquet", ["pie", "cake"] * 10, images(20))
        write(tmp_path / "s" / "test.parquet", ["pie"], images(1, seed=99))
        dataset = prepare(tmp_path / "s")
        assert dataset.class_names == ("cake", "pie")
        assert "2 classes (named by the labels)" in dataset.protocol
        assert [record["label"] for record in records(dataset, "test")] == [1]
        write(tmp_path / "n" / "train.parquet", [0, 2] * 10, images(20))
        write(tmp_path / "n" / "test.parquet", [1], images(1, seed=99))
        assert prepare(tmp_path / "n").class_names == ("0", "1", "2")

    def test_a_dictionary_of_strings_is_strings(self, tmp_path):
        table = pyarrow.table({"img": images(20), "dish": pyarrow.array(["pie", "cake"] * 10).dictionary_encode()})
        (tmp_path / "d").mkdir()
        pyarrow.parquet.write_table(table, tmp_path / "d" / "train.parquet")
        dataset = prepare(tmp_path / "d", test="holdout", image_column="img", label_column="dish")
        assert dataset.class_names == ("cake", "pie")
        assert dataset.sizes == {"train": 16, "val": 2, "test": 2}

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ("nowhere.txt", "the file nowhere.txt cannot be read"),
            (("a", "a"), "has a more than once"),
            ((1, 2), "it must be class names"),
        ],
    )
    def test_bad(self, folder, names, message):
        with pytest.raises(UserError, match=f"dataset.options.names of parquet:? .*{message}"):
            prepare(folder, names=names)


class TestTest:
    def test_of_the_validation_split(self, folder):
        """As in `ethz/food101`, whose official test is its validation."""
        (folder / "test-00000-of-00001.parquet").rename(folder / "validation-00000-of-00001.parquet")
        with pytest.raises(
            UserError, match=r"has no test split, only train, validation: set .*test='validation' or 'h"
        ):
            prepare(folder)
        dataset = prepare(folder, test="validation")
        assert dataset.sizes == {"train": 180, "val": 20, "test": 30}
        held_out = prepare(folder, test="holdout", test_fraction=0.2)
        assert held_out.sizes == {"train": 160, "val": 30, "test": 40}

    def test_what_is_not_asked_for_is_left_out(self, folder):
        dataset = prepare(folder, test="holdout")
        assert dataset.sizes == {"train": 160, "val": 20, "test": 20}
        assert "split test left out" in dataset.protocol

    def test_labels_that_are_kept_secret(self, folder):
        write(folder / "test-00000-of-00001.parquet", [-1], images(1, seed=99))
        with pytest.raises(UserError, match=r"row 0: label is -1, .* set dataset.options.test='validation' or 'holdou"):
            prepare(folder)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"test": "train"}, "must be one of test, validation, holdout"),
            ({"val_fraction": 0}, "must be above 0 and below 1"),
            ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
            ({"split_seed": "a"}, "must be an integer"),
            ({"fold": 1}, "fold is not an option of parquet; its options: names, test"),
        ],
    )
    def test_bad_options(self, folder, options, message):
        with pytest.raises(UserError, match=message):
            prepare(folder, **options)


def test_the_hold_out_depends_on_the_photos_alone():
    photos = {number: Photo(bytes([number]), number % 2, True) for number in range(100)}
    photos[100] = photos[40]  # a copy goes where its original goes
    photos[101] = Photo(photos[41].digest, 0, True)  # under two classes: never held out
    backward = {102 - number: photo for number, photo in photos.items()}
    one, other = (parquet_photos.divide({"train": rows, "test": {}}, 0.1, 0.1, 0) for rows in (photos, backward))
    assert {s: {p.digest for p in part.values()} for s, part in one.items()} == {
        s: {p.digest for p in part.values()} for s, part in other.items()
    }
    train, val = ({photo.digest for photo in one[split].values()} for split in ("train", "val"))
    assert not train & val
    assert photos[41].digest in train
    assert len(val) == 10


class TestBadFiles:
    def test_not_parquet(self, folder):
        (folder / "train-00000-of-00002.parquet").write_bytes(b"PAR1 but no more")
        with pytest.raises(UserError, match=r"train-00000-of-00002.parquet cannot be read as Parquet \([^\n]+\): get"):
            prepare(folder)

    def test_damaged_in_the_middle(self, folder):
        """Only the reading of the rows finds that."""
        file = folder / "train-00000-of-00002.parquet"
        content = bytearray(file.read_bytes())
        content[4:4000] = bytes(3996)
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"train-00000-of-00002.parquet cannot be read as Parquet \([^\n]+\): get"):
            prepare(folder)

    def test_columns(self, folder):
        file = folder / "test-00000-of-00001.parquet"
        write(file, [0], images(1), columns=("img", "label"))
        with pytest.raises(UserError, match=r"no column 'image'; it has img, label: set dataset.options.image_column"):
            prepare(folder)
        write(file, [0], ["a.jpg"])
        with pytest.raises(UserError, match="column 'image' is string, neither binary nor a struct with binary"):
            prepare(folder)
        write(file, [[0]], images(1))
        with pytest.raises(UserError, match=r"column 'label' is list<[^\n]*>, neither an integer nor a string"):
            prepare(folder)

    @pytest.mark.parametrize(
        ("labels", "contents", "message"),
        [
            ([10], images(1), "row 0: label is 10, which is none of the numbers 0 to 9: correct it"),
            ([1, None], images(2), "row 1: label is None, which is none of the classes"),
            ([1], [None], "row 0 has no image bytes"),
        ],
    )
    def test_bad_rows(self, folder, labels, contents, message):
        write(folder / "train-00000-of-00002.parquet", labels, pyarrow.array(contents, pyarrow.binary()))
        with pytest.raises(UserError, match=rf"train-00000-of-00002.parquet, {message}"):
            prepare(folder)

    def test_a_name_that_is_none_of_the_classes(self, folder):
        write(folder / "test-00000-of-00001.parquet", ["a", "z"], images(2))
        with pytest.raises(UserError, match=r"row 1: label is 'z', which is none of the classes \(a, b, .*correct it"):
            prepare(folder)

    def test_damaged_photos_are_skipped_one_by_one_and_refused_where_they_are_many(self, folder, caplog):
        file = folder / "train-00000-of-00002.parquet"
        contents = images(90)
        contents[7] = contents[7][:300]
        write(file, np.repeat(range(10), 20)[:90], contents, names=NAMES)
        with caplog.at_level("WARNING"):
            dataset = prepare(folder)
        assert "skipped unreadable photo" in caplog.text
        assert "train-00000-of-00002.parquet, row 7: " in caplog.text
        assert dataset.sizes["train"] + dataset.sizes["val"] == 199
        assert "1 unreadable photo skipped" in dataset.protocol
        for row in (8, 9, 10):
            contents[row] = b"no image"
        write(file, np.repeat(range(10), 20)[:90], contents, names=NAMES)
        with pytest.raises(UserError, match=r"4 of the 200 photos in train of .* the first is .*, row 7 \("):
            prepare(folder)

    def test_no_rows(self, folder):
        write(folder / "test-00000-of-00001.parquet", [], pyarrow.array([], pyarrow.binary()), kind=pyarrow.int8())
        with pytest.raises(UserError, match=r"test of dataset.data_dir='.*' has no rows"):
            prepare(folder)

    def test_names_that_differ(self, folder):
        write(folder / "test-00000-of-00001.parquet", [0], images(1), names=NAMES[::-1])
        with pytest.raises(UserError, match="have different names of classes in their metadata: check that they"):
            prepare(folder)


def first_of_each_class(real: Path, part: Path, rows: int) -> Path:
    """So many rows of each class of every file of a real set, in files of the same names and layout."""
    part.mkdir()
    for file in real.glob("*.parquet"):
        table = pyarrow.parquet.read_table(file)
        labels = table["label"].to_numpy()
        chosen = [np.flatnonzero(labels == label)[:rows] for label in np.unique(labels)]
        pyarrow.parquet.write_table(table.take(np.sort(np.concatenate(chosen))), part / file.name)
    return part


@pytest.mark.skipif(not CIFAR10.is_dir(), reason=f"the CIFAR-10 files are not at {CIFAR10}")
def test_real_cifar10(tmp_path):
    dataset = prepare(first_of_each_class(CIFAR10, tmp_path / "part", 20), names=NAMES)
    assert dataset.sizes == {"train": 180, "val": 20, "test": 200}
    for split, count in (("val", 2), ("test", 20)):
        assert Counter(record["label"] for record in records(dataset, split)) == dict.fromkeys(range(10), count)


@pytest.mark.skipif(not FOOD101.is_dir(), reason=f"Food-101 of 64 x 64 pixels is not at {FOOD101}")
def test_real_food101(tmp_path):
    dataset = prepare(first_of_each_class(FOOD101, tmp_path / "part", 5), val_fraction=0.2)
    assert dataset.class_names[::100] == ("apple_pie", "waffles")
    # Six files of train and two of test.
    assert dataset.sizes == {"train": 101 * 24, "val": 101 * 6, "test": 101 * 10}
    assert Counter(record["label"] for record in records(dataset, "val")) == dict.fromkeys(range(101), 6)
