import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.data import imaterialist_product_2019 as imaterialist
from jdnet_jax.process.errors import UserError
from tests.data.test_photo_file import encoded
from tests.data.tiny import dataset_config, encode, smooth_photo

pytestmark = pytest.mark.usefixtures("store")

CLASSES = (0, 783, 2018)


def make_tree(root: Path, *, train=4, val=2) -> Path:
    """The challenge in small: so many photos of each of three classes, listed as the organisers' page shows."""
    for split, count, seed in (("train", train, 0), ("val", val, 1000)):
        (root / split).mkdir(parents=True)
        images = []
        for label in CLASSES:
            for number in range(count):
                name = f"{seed + label:05d}{number:03d}e6ca73cfa3ad4d13d1d7526b8.jpg"
                photo = encode(smooth_photo(seed + 10 * label + number, 20, 24), "JPEG")
                (root / split / name).write_bytes(photo)
                images.append({"id": name, "url": f"http://127.0.0.1/{name}", "class": label})
        (root / f"{split}.json").write_text(json.dumps({"images": images}))
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "imat")


def change(tree, split, function):
    """Changes the list of images of a JSON file."""
    images = json.loads((tree / f"{split}.json").read_text())["images"]
    function(images)
    (tree / f"{split}.json").write_text(json.dumps({"images": images}))


def ids(tree, split):
    return [image["id"] for image in json.loads((tree / f"{split}.json").read_text())["images"]]


def prepare(tree):
    return data.prepare(dataset_config("imaterialist_product_2019", data_dir=str(tree)))


def records(dataset, split):
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split)))


class TestFolder:
    def test_test_is_the_official_val_and_val_is_held_out_of_train(self, tree):
        dataset = prepare(tree)
        assert len(dataset.class_names) == 2019
        assert dataset.class_names[783] == "783"
        assert dataset.sizes == {"train": 9, "val": 3, "test": 6}
        found = {split: {r["path"].decode() for r in records(dataset, split)} for split in ("train", "val", "test")}
        assert found["test"] == {f"val/{name}" for name in ids(tree, "val")}
        assert found["train"] | found["val"] == {f"train/{name}" for name in ids(tree, "train")}
        assert Counter(record["label"] for record in records(dataset, "val")) == dict.fromkeys(CLASSES, 1)

    def test_labels_are_those_of_the_json(self, tree):
        dataset = prepare(tree)
        listed = {
            image["id"]: image["class"]
            for split in ("train", "val")
            for image in json.loads((tree / f"{split}.json").read_text())["images"]
        }
        for split in ("train", "val", "test"):
            for record in records(dataset, split):
                assert record["label"] == listed[record["path"].decode().split("/")[1]]

    def test_protocol(self, tree):
        protocol = prepare(tree).protocol
        assert "train 9 (train), val 3 (val), test 6 (test)" in protocol
        assert "test is the official val, the labels of the official test not being public" in protocol
        assert "val is 1 % of each class of the official train, at least one photo, seed 0" in protocol
        assert (
            "train holds 3 of the 2019 classes; 0 of the 12 photos of the official train missing, 0 unreadable"
            in protocol
        )

    def test_batches(self, tree):
        batches = list(data.eval_batches(prepare(tree), "test", batch_size=4, image_size=16, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 6

    def test_photos_of_the_web_are_put_right(self, tree):
        """Whatever its name says, a file may be WebP, or CMYK."""
        name = ids(tree, "val")[0]
        (tree / "val" / name).write_bytes(encoded(Image.new("CMYK", (20, 20), (255, 0, 0, 0)), "JPEG", quality=95))
        other = ids(tree, "val")[1]
        (tree / "val" / other).write_bytes(encoded(Image.new("RGB", (20, 20), (250, 120, 0)), "WEBP", quality=95))
        seen = {record["path"].decode(): record["image"] for record in records(prepare(tree), "test")}
        np.testing.assert_allclose(seen[f"val/{name}"][9, 9], [0, 255, 255], atol=4)
        np.testing.assert_allclose(seen[f"val/{other}"][9, 9], [250, 120, 0], atol=8)

    def test_photos_whose_url_is_gone_are_counted(self, tree):
        for name in ids(tree, "train")[:2]:
            (tree / "train" / name).unlink()
        dataset = prepare(tree)
        assert "2 of the 12 photos of the official train missing" in dataset.protocol
        assert dataset.sizes == {"train": 7, "val": 3, "test": 6}

    def test_other_files_are_ignored(self, tree):
        (tree / "train" / "download.log").write_text("404")
        assert prepare(tree).sizes["train"] == 9

    def test_a_changed_folder_is_prepared_anew(self, tree):
        before = prepare(tree)
        (tree / "train" / ids(tree, "train")[0]).unlink()
        middle = prepare(tree)
        change(tree, "val", lambda images: images.pop())
        after = prepare(tree)
        assert len({d.builder.data_path for d in (before, middle, after)}) == 3


class TestUnreadable:
    def test_up_to_one_percent_is_skipped_and_named(self, tmp_path, caplog):
        tree = make_tree(tmp_path / "large", train=40)
        (tree / "train" / ids(tree, "train")[0]).write_text("<html>not found</html>")
        dataset = prepare(tree)
        assert "0 of the 120 photos of the official train missing, 1 unreadable" in dataset.protocol
        assert ids(tree, "train")[0] in caplog.text
        assert sum(dataset.sizes.values()) == 119 + 6

    def test_more_is_an_error(self, tree):
        (tree / "val" / ids(tree, "val")[0]).write_text("<html>not found</html>")
        with pytest.raises(UserError, match=r"1 of the 6 photos in \S*val cannot be read, more than 1%; the first is"):
            prepare(tree)


class TestHoldOut:
    def test_takes_a_hundredth_of_each_class(self):
        photos = [imaterialist.Photo(f"{label}_{i}.jpg", label) for label in (0, 1) for i in range(300 + 700 * label)]
        train, val = imaterialist.hold_out(photos)
        assert Counter(photo.label for photo in val) == {0: 3, 1: 10}
        assert set(train) | set(val) == set(photos)
        assert len(train) + len(val) == len(photos)


class TestBadFolders:
    @pytest.mark.parametrize("missing", ["train.json", "val.json", "train", "val"])
    def test_something_is_missing(self, tree, missing):
        (tree / missing).rename(tree / "elsewhere")
        split = missing.split(".")[0]
        with pytest.raises(UserError, match=rf"must hold {split}.json and a folder {split} with the photos"):
            prepare(tree)

    def test_no_folder(self, tree, monkeypatch):
        monkeypatch.chdir(tree)
        with pytest.raises(UserError, match=r"dataset.data_dir='' must hold train.json"):
            prepare("")

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"annotations": []}', '{"images": 3}', "3"])
    def test_not_the_challenges_json(self, tree, content):
        (tree / "val.json").write_text(content)
        with pytest.raises(
            UserError, match=r"val.json is not the challenge's JSON object with a list 'images'"
        ) as error:
            prepare(tree)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            ("a.jpg", "expected an object with id and class, got 'a.jpg'"),
            ({"id": "a.jpg"}, "expected an object with id and class"),
            ({"id": 7, "class": 1}, "the id 7 cannot be the name of a file"),
            ({"id": "../../etc/passwd", "class": 1}, "the id '../../etc/passwd' cannot be the name of a file"),
            ({"id": "", "class": 1}, "the id '' cannot be the name of a file"),
            ({"id": "a.jpg", "class": 2019}, "class is 2019, not 0 to 2018"),
            ({"id": "a.jpg", "class": "7"}, "class is '7', not 0 to 2018"),
            ({"id": "a.jpg", "class": True}, "class is True, not 0 to 2018"),
        ],
    )
    def test_bad_images(self, tree, image, message):
        change(tree, "train", lambda images: images.append(image))
        with pytest.raises(UserError, match=rf"train.json, image 12: {message}"):
            prepare(tree)

    def test_an_id_in_two_classes(self, tree):
        change(tree, "train", lambda images: images.append({**images[0], "class": 5}))
        with pytest.raises(UserError, match=rf"image 12: {ids(tree, 'train')[0]} is in class 5 and 0"):
            prepare(tree)

    def test_an_id_twice_in_its_class_is_one_photo(self, tree):
        change(tree, "train", lambda images: images.append(images[0]))
        assert prepare(tree).sizes["train"] == 9

    def test_photos_under_other_names(self, tree):
        for photo in (tree / "val").iterdir():
            photo.rename(photo.with_suffix(".jpeg"))
        with pytest.raises(UserError, match=r"val holds none of the 6 photos of val.json by its id"):
            prepare(tree)

    def test_a_class_that_cannot_be_learned(self, tree):
        change(tree, "val", lambda images: images[0].update({"class": 9}))
        with pytest.raises(UserError, match=r"val has photos of the classes 9, of which \S*train has none"):
            prepare(tree)

    def test_nothing_to_hold_out(self, tmp_path):
        with pytest.raises(UserError, match=r"train has no class of two photos or more"):
            prepare(make_tree(tmp_path / "one", train=1))
