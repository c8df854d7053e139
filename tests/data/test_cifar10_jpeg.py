import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow_datasets as tfds

from jdnet_jax import data
from jdnet_jax.data import cifar10_jpeg
from jdnet_jax.process.errors import UserError
from tests.conftest import SHARED_DATA
from tests.data.tiny import dataset_config, encode, smooth_photo

pytestmark = pytest.mark.usefixtures("store")

REAL = SHARED_DATA / "cifar10_jpeg"


def images(count, seed=0):
    return [encode(smooth_photo(seed + number, 32, 32), "JPEG") for number in range(count)]


def write(file: Path, labels, contents, as_struct=False):
    """Rows sorted by class, as the real files have them."""
    column = [{"bytes": content, "path": None} for content in contents] if as_struct else contents
    pyarrow.parquet.write_table(pyarrow.table({"image": column, "label": pyarrow.array(labels, pyarrow.int8())}), file)


@pytest.fixture
def folder(tmp_path):
    """20 train and 3 test images of each class."""
    made = tmp_path / "cifar"
    made.mkdir()
    write(made / "train.parquet", np.repeat(range(10), 20), images(200))
    write(made / "test.parquet", np.repeat(range(10), 3), images(30, seed=1000))
    return made


def prepare(folder, **options):
    return data.prepare(dataset_config("cifar10_jpeg", data_dir=str(folder), options=options))


def records(dataset, split):
    decoders = {"image": tfds.decode.SkipDecoding()}
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split, decoders=decoders)))


class TestFolder:
    def test_splits_are_stratified_and_test_is_the_official_one(self, folder):
        dataset = prepare(folder)
        assert dataset.class_names[:4] == ("airplane", "automobile", "bird", "cat")
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

    def test_a_struct_with_bytes_is_the_same(self, folder, tmp_path):
        (tmp_path / "structs").mkdir()
        write(tmp_path / "structs" / "train.parquet", np.repeat(range(10), 20), images(200), as_struct=True)
        write(tmp_path / "structs" / "test.parquet", np.repeat(range(10), 3), images(30, seed=1000), as_struct=True)
        ours, theirs = prepare(tmp_path / "structs"), prepare(folder)
        assert {r["image"] for r in records(ours, "val")} == {r["image"] for r in records(theirs, "val")}

    def test_protocol(self, folder):
        protocol = prepare(folder).protocol
        assert "train 180 (train), val 20 (val), test 30 (test)" in protocol
        assert "images recompressed as JPEG, so not quite comparable with the original CIFAR-10" in protocol
        assert "val is 10 % of each class of the official train" in protocol

    def test_batches(self, folder):
        batches = list(data.eval_batches(prepare(folder), "test", batch_size=8, image_size=32, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 30

    def test_changed_files_are_prepared_anew(self, folder):
        before = prepare(folder)
        write(folder / "test.parquet", np.repeat(range(10), 3), images(30, seed=2000))
        assert prepare(folder).builder.data_path != before.builder.data_path


def test_the_hold_out_depends_on_the_images_alone():
    rows = [cifar10_jpeg.Row(b"", hashlib.sha256(bytes([i])).hexdigest(), i % 2) for i in range(100)]
    rows.append(rows[40])  # a copy goes where its original goes
    forward, backward = cifar10_jpeg.hold_out(rows), cifar10_jpeg.hold_out(rows[::-1])
    assert [{row.digest for row in part} for part in forward] == [{row.digest for row in part} for part in backward]
    assert not {row.digest for row in forward[0]} & {row.digest for row in forward[1]}


class TestBadFiles:
    @pytest.mark.parametrize("name", ["train.parquet", "test.parquet"])
    def test_missing(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(UserError, match=rf"{name} cannot be read there \(No such file or directory\); name the"):
            prepare(folder)

    def test_no_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError, match=r"dataset.data_dir='': train.parquet cannot be read"):
            prepare("")

    def test_options(self, folder):
        with pytest.raises(UserError, match="val is no option of cifar10_jpeg; it has none"):
            prepare(folder, val=1)

    def test_not_parquet(self, folder):
        (folder / "train.parquet").write_bytes(b"PAR1 but no more")
        with pytest.raises(UserError, match=r"train.parquet cannot be read as Parquet \([^\n]+\): get a sound copy$"):
            prepare(folder)

    def test_other_columns(self, folder):
        pyarrow.parquet.write_table(pyarrow.table({"img": images(1), "label": [0]}), folder / "test.parquet")
        with pytest.raises(UserError, match=r"test.parquet has no column image; it has img, label"):
            prepare(folder)

    @pytest.mark.parametrize(
        ("labels", "contents", "message"),
        [
            ([10], images(1), "row 0: label is 10, not an integer of 0 to 9"),
            ([1, None], images(2), "row 1: label is None"),
            ([1], [None], "row 0: image is NoneType, not the bytes"),
            ([1], [b"no image"], "row 0: the image is truncated or not an image"),
            ([1], [encode(smooth_photo(0, 32, 48), "JPEG")], "row 0: the image has 48 x 32 pixels"),
        ],
    )
    def test_bad_rows(self, folder, labels, contents, message):
        write(folder / "train.parquet", labels, pyarrow.array(contents, pyarrow.binary()))
        with pytest.raises(UserError, match=rf"train.parquet, {message}"):
            prepare(folder)

    def test_no_rows(self, folder):
        write(folder / "test.parquet", [], pyarrow.array([], pyarrow.binary()))
        with pytest.raises(UserError, match=r"test.parquet has no rows"):
            prepare(folder)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason=f"the CIFAR-10 files are not at {REAL}")
def test_real_files():
    dataset = prepare(REAL)
    assert dataset.sizes == {"train": 45_000, "val": 5_000, "test": 10_000}
    for split, count in (("val", 500), ("test", 1000)):
        assert Counter(record["label"] for record in records(dataset, split)) == dict.fromkeys(range(10), count)
