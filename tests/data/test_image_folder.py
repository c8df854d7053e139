import hashlib
import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.data import folder_examination, folder_listing, image_folder
from jdnet_jax.data.folder_examination import Division
from jdnet_jax.data.folder_listing import Photo
from jdnet_jax.process.errors import UserError
from tests.data.test_near_duplicates import recompressed, scene
from tests.data.test_photo_file import encoded, oriented, png_header
from tests.data.tiny import dataset_config, encode, smooth_photo

pytestmark = pytest.mark.usefixtures("store")


def write(root: Path, path: str, seed: int) -> Path:
    """A small JPEG that is like no other seed's."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(encoded(scene(seed, 24, 32), "JPEG", quality=95))
    return root / path


def make_classes(root: Path, seed=0, **counts) -> Path:
    """`counts[name]` different photos of each class."""
    for name, count in counts.items():
        for number in range(count):
            seed += 1
            write(root, f"{name}/{number:03d}.jpg", seed)
    return root


@pytest.fixture
def root(tmp_path):
    """Beside the prepared records, not above them."""
    return tmp_path / "photos"


@pytest.fixture
def folder(root):
    return make_classes(root, apple=20, pear=10, plum=3)


def prepare(root, **options):
    return data.prepare(dataset_config("image_folder", data_dir=str(root), options=options))


def records(dataset, split):
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split)))


def paths(dataset, split):
    return {record["path"].decode() for record in records(dataset, split)}


def labels(dataset, split):
    return Counter(dataset.class_names[record["label"]] for record in records(dataset, split))


class TestOneFolder:
    def test_is_divided_class_by_class(self, folder):
        dataset = prepare(folder)
        assert dataset.class_names == ("apple", "pear", "plum")
        assert labels(dataset, "train") == {"apple": 16, "pear": 8, "plum": 1}
        assert labels(dataset, "val") == labels(dataset, "test") == {"apple": 2, "pear": 1, "plum": 1}
        found = [paths(dataset, split) for split in ("train", "val", "test")]
        assert set.union(*found) == {f"{p.parent.name}/{p.name}" for p in folder.glob("*/*.jpg")}
        assert sum(map(len, found)) == 33

    def test_labels_are_the_folders(self, folder):
        dataset = prepare(folder)
        for record in records(dataset, "train"):
            assert record["path"].decode().split("/")[0] == dataset.class_names[record["label"]]

    def test_files_are_kept_byte_for_byte(self, folder):
        decoders = {"image": tfds.decode.SkipDecoding()}
        stored = list(tfds.as_numpy(prepare(folder).builder.as_dataset(split="train", decoders=decoders)))
        assert len(stored) == 25
        for record in stored:
            assert record["image"] == (folder / record["path"].decode()).read_bytes()

    def test_options(self, folder):
        dataset = prepare(folder, val_fraction=0.2, test_fraction=0.3, split_seed=5)
        assert labels(dataset, "val") == {"apple": 4, "pear": 2, "plum": 1}
        assert labels(dataset, "test") == {"apple": 6, "pear": 3, "plum": 1}
        said = "val is 20 % of each class and test is 30 % of each class, by a hash of the paths (seed 5)"
        assert said in dataset.protocol
        other = prepare(folder, val_fraction=0.2, test_fraction=0.3, split_seed=6)
        assert paths(other, "test") != paths(dataset, "test")

    def test_protocol(self, folder):
        protocol = prepare(folder).protocol
        assert "train 25 (train), val 4 (val), test 4 (test); 3 classes; " in protocol
        assert (
            "; val is 10 % of each class and test is 10 % of each class, by a hash of the paths (seed 0); " in protocol
        )
        assert "0 unreadable photos skipped; 0 photos rewritten" in protocol
        assert "0 pairs of nearly the same photo in two splits" in protocol
        assert "1 class with one photo to train on" in protocol
        assert "\n" not in protocol

    def test_a_class_with_a_single_photo_is_in_train_and_named(self, folder, caplog):
        write(folder, "fig/only.jpg", 900)
        dataset = prepare(folder)
        assert labels(dataset, "train")["fig"] == 1
        assert "classes with one photo to train on: fig, plum" in caplog.text
        assert "classes without a photo in val: fig" in caplog.text
        assert "val holds 3 of the 4 classes; test holds 3 of the 4 classes" in dataset.protocol

    def test_batches(self, folder):
        batches = list(data.eval_batches(prepare(folder), "train", batch_size=4, image_size=16, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 25


class TestDividedAlready:
    def test_splits_are_kept_as_they_are(self, root):
        for split, count, seed in (("train", 4, 0), ("val", 2, 100), ("test", 3, 200)):
            make_classes(root / split, seed=seed, apple=count, pear=count)
        dataset = prepare(root)
        assert dataset.sizes == {"train": 8, "val": 4, "test": 6}
        for split in ("train", "val", "test"):
            assert {path.split("/")[0] for path in paths(dataset, split)} == {split}
        assert "2 classes; val and test as the folder has them; 0 unreadable" in dataset.protocol

    @pytest.mark.parametrize(("given", "made"), [("test", "val"), ("val", "test")])
    def test_what_is_missing_is_held_out_of_train(self, root, given, made):
        make_classes(root / "train", apple=20, pear=10)
        make_classes(root / given, seed=100, apple=3, pear=3)
        dataset = prepare(root)
        assert dataset.sizes == {"train": 27, made: 3, given: 6}
        assert {path.split("/")[0] for path in paths(dataset, given)} == {given}
        assert {path.split("/")[0] for path in paths(dataset, made)} == {"train"}
        assert labels(dataset, made) == {"apple": 2, "pear": 1}
        expected = f"{given} as the folder has it; {made} is 10 % of each class of train, by a hash of the paths"
        assert expected in dataset.protocol

    def test_train_alone(self, root):
        make_classes(root / "train", apple=20, pear=10)
        assert prepare(root).sizes == {"train": 24, "val": 3, "test": 3}

    def test_a_class_that_val_lacks_is_named(self, root, caplog):
        make_classes(root / "train", apple=4, pear=4)
        make_classes(root / "val", seed=100, apple=2)
        assert "val holds 1 of the 2 classes" in prepare(root).protocol
        assert "classes without a photo in val: pear" in caplog.text


class TestFolds:
    def test_each_photo_is_tested_on_once_by_who_has_not_seen_it(self, root):
        make_classes(root, apple=7, pear=5, plum=1)
        tested, everything = [], set()
        for fold in range(3):
            dataset = prepare(root, folds=3, fold=fold)
            parts = {split: set(paths(dataset, split)) for split in ("train", "val", "test")}
            assert not (parts["train"] | parts["val"]) & parts["test"]
            assert not parts["train"] & parts["val"]
            tested += sorted(parts["test"])
            everything = parts["train"] | parts["val"] | parts["test"]
            assert f"test is part {fold + 1} of 3 of the photos, by a hash of the paths" in dataset.protocol
        assert len(tested) == len(set(tested)) == 12
        assert everything - set(tested) == {"plum/000.jpg"}  # which is always in train

    def test_a_test_of_its_own_is_refused(self, root):
        for split in ("train", "test"):
            make_classes(root / split, apple=4, pear=4)
        with pytest.raises(UserError, match="has a folder test, on which every fold would be tested"):
            prepare(root, folds=2)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"folds": 1}, "folds=1 of image_folder must be 0, or a whole number of at least 2"),
            ({"folds": "5"}, "folds='5' of image_folder must be 0, or"),
            ({"folds": 3, "fold": 3}, "fold=3 of image_folder must be a whole number from 0, below folds"),
            ({"fold": 1}, "fold=1 of image_folder must be"),
        ],
    )
    def test_folds_that_cannot_be(self, root, options, message):
        make_classes(root, apple=4, pear=4)
        with pytest.raises(UserError, match=message):
            prepare(root, **options)


@pytest.mark.parametrize(
    ("photos", "val", "test"),
    [(40, 0.1, 0.2), (499, 0.1, 0.2), (500, 0.2, 0.2), (700, 0.15, 0.15), (1000, 0.1, 0.1), (10**6, 0.1, 0.1)],
)
def test_of_few_photos_more_are_held_out(photos, val, test):
    assert (image_folder.share_of("val", photos), image_folder.share_of("test", photos)) == (val, test)


def test_a_share_of_0_is_by_the_number_of_photos(root):
    make_classes(root, apple=20, pear=20)
    dataset = prepare(root, val_fraction=0.0, test_fraction=0.0)
    assert dataset.sizes == {"train": 28, "val": 4, "test": 8}
    assert "val is 10 % of each class and test is 20 % of each class, by a hash" in dataset.protocol


class TestDivide:
    def photos(self, **counts):
        return [Photo(f"{name}/{i}.jpg", name, Path()) for name, count in counts.items() for i in range(count)]

    def divide(self, photos, contents=None, val=0.1, test=0.1, seed=0):
        contents = contents or {}
        everything = {photo.path: contents.get(photo.path, photo.path.encode()) for photo in photos}
        divided = folder_examination.divide({"train": photos}, everything, Division(val, test, seed))
        return {split: {photo.path for photo in members} for split, members in divided.items()}

    def test_classes_of_two_and_one(self):
        divided = self.divide(self.photos(one=1, two=2, many=30))
        assert "one/0.jpg" in divided["train"]
        assert {split: sum(path.startswith("two/") for path in members) for split, members in divided.items()} == {
            "train": 1,
            "val": 0,
            "test": 1,
        }

    @pytest.mark.parametrize("seed", range(5))
    def test_identical_files_are_never_parted(self, seed):
        photos = self.photos(apple=40, pear=40)
        contents = {
            photo.path: f"{photo.class_name}{int(photo.path[-5])}".encode() for photo in photos
        }  # by last digit
        divided = self.divide(photos, contents, 0.2, 0.2, seed)
        splits_of = defaultdict(set)
        for split, members in divided.items():
            assert members
            for path in members:
                splits_of[contents[path]].add(split)
        assert len(splits_of) == 20
        assert all(len(splits) == 1 for splits in splits_of.values())

    @pytest.mark.parametrize("seed", range(5))
    def test_photos_with_contradictory_labels_are_not_tested_on(self, seed):
        photos = self.photos(apple=10, pear=10)
        contents = {f"{name}/{i}.jpg": f"both{i}".encode() for name in ("apple", "pear") for i in range(7)}
        divided = self.divide(photos, contents, 0.2, 0.2, seed)
        assert set(contents) <= divided["train"]

    def test_a_large_share_of_test_leaves_some_for_val(self):
        divided = self.divide(self.photos(apple=4, pear=3), val=0.1, test=0.8)
        assert {split: len(members) for split, members in divided.items()} == {"train": 2, "val": 2, "test": 3}

    def test_no_class_has_enough(self):
        with pytest.raises(UserError, match="val would hold no photos"):
            self.divide(self.photos(apple=1, pear=2))

    def test_a_photo_more_moves_few_others(self):
        before = self.divide(self.photos(apple=50, pear=50))
        after = self.divide(self.photos(apple=51, pear=50))
        assert len(before["test"] & after["test"]) >= 9


class TestFormats:
    def test_every_format_is_seen_rightly(self, root):
        """Each file is a photo of the same scene; the record must decode to it, upright and in its colours."""
        make_classes(root, other=30)
        reference = Image.fromarray(smooth_photo(3, 24, 32))  # what `oriented` encodes
        grey = np.asarray(reference.convert("L").convert("RGB"), int)
        (root / "food").mkdir()
        files = {
            "plain.jpg": encoded(reference, "JPEG", quality=95),
            "turned.jpg": oriented("JPEG", 6, quality=95),
            "grey.jpg": encoded(reference.convert("L"), "JPEG", quality=95),
            "cmyk.jpg": encoded(reference.convert("CMYK"), "JPEG", quality=95),
            "plain.png": encoded(reference, "PNG"),
            "alpha.png": encoded(reference.convert("RGBA"), "PNG"),
            "deep.png": encoded(Image.fromarray(np.asarray(reference.convert("L"), np.uint16) * 257), "PNG"),
            "mein Foto.webp": encoded(reference, "WEBP", quality=95),
            "写真.bmp": encoded(reference, "BMP"),
            "first.gif": encoded(reference, "GIF"),
        }
        for name, content in files.items():
            (root / "food" / name).write_bytes(content)
        dataset = prepare(root)
        seen = {
            r["path"].decode(): r["image"].astype(int) for s in ("train", "val", "test") for r in records(dataset, s)
        }
        for name in files:
            expected = grey if name in ("grey.jpg", "deep.png") else np.asarray(reference, int)
            if name == "turned.jpg":
                expected = np.rot90(expected, -1)
            error = np.abs(seen[f"food/{name}"] - expected)
            assert error.mean() < 6, name
            assert error.max() <= 40, name
        assert "6 photos rewritten" in dataset.protocol

    def test_batches_of_every_kind_of_record(self, root):
        make_classes(root, apple=6, pear=6)
        for number in range(6):
            (root / "apple" / f"{number}.png").write_bytes(encode(smooth_photo(number, 20, 20)[..., 0], "PNG"))
        batches = list(data.eval_batches(prepare(root), "train", batch_size=8, image_size=16, crop_fraction=1.0))
        assert {batch["image"].shape for batch in batches} == {(8, 16, 16, 3)}


class TestUnreadable:
    @pytest.fixture
    def large(self, tmp_path):
        return make_classes(tmp_path / "large", apple=100, pear=100)

    def test_they_are_skipped_counted_and_named(self, large, caplog):
        truncated = large / "apple" / "003.jpg"
        truncated.write_bytes(truncated.read_bytes()[:-60])
        (large / "pear" / "huge.png").write_bytes(png_header(20_000, 10_000))
        Image.new("L", (20_000, 1)).save(large / "pear" / "strip.png")
        os.mkfifo(large / "pear" / "pipe.jpg")
        (large / "pear" / "endless.jpg").symlink_to("/dev/zero")
        dataset = prepare(large)
        assert "5 unreadable photos skipped" in dataset.protocol
        assert f"skipped unreadable photo {truncated}: truncated or not an image" in caplog.text
        assert "huge.png: more than 179 megapixels" in caplog.text
        assert "strip.png: a strip of 20000 x 1 pixels" in caplog.text
        assert "pipe.jpg: not a regular file" in caplog.text
        assert "endless.jpg: not a regular file" in caplog.text
        assert sum(dataset.sizes.values()) == 199
        assert prepare(large).protocol == dataset.protocol  # also when it is read back

    def test_of_a_small_folder_they_are_left_out_too(self, folder, root):
        (folder / "apple" / "000.jpg").write_text("<html>not found</html>")
        (folder / "plum" / "000.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")
        assert "2 unreadable photos skipped" in prepare(folder).protocol

    def test_more_than_half_of_a_split_is_an_error(self, folder, root):
        make_classes(root / "test", seed=500, apple=3)
        for name in ("apple", "pear", "plum"):
            shutil.move(folder / name, root / "train" / name)
        for number in range(2):
            (root / "test" / "apple" / f"{number:03d}.jpg").write_text("<html>not found</html>")
        message = r"2 of the 3 photos in test of \S*photos cannot be read, more than 50%; the first is \S*000.jpg"
        with pytest.raises(UserError, match=message):
            prepare(root)
        with pytest.raises(UserError, match=message):  # nothing was left that looks prepared
            prepare(root)

    def test_a_class_of_which_nothing_is_left(self, large):
        (large / "fig").mkdir()
        (large / "fig" / "1.jpg").write_text("no photo")
        with pytest.raises(UserError, match=r"no photo of fig in \S*large can be read"):
            prepare(large)

    def test_a_photo_that_vanishes_meanwhile(self, folder, monkeypatch):
        fingerprint = folder_examination.fingerprint

        def and_lose_one(listing):
            result = fingerprint(listing)
            (folder / "apple" / "004.jpg").unlink()
            return result

        monkeypatch.setattr(folder_examination, "fingerprint", and_lose_one)
        with pytest.raises(UserError, match=r"004.jpg changed while it was read \(No such file or directory\): run"):
            prepare(folder)


class TestWherePhotosLie:
    def test_system_folders_are_no_data(self, folder):
        before = prepare(folder)
        for name in ("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trash-1000", "__MACOSX", ".ipynb_checkpoints"):
            make_classes(folder / name, seed=300, apple=2, pear=2)
            write(folder, f"apple/{name}/1.jpg", 400)
        (folder / "apple" / "Thumbs.db").write_bytes(b"thumbnails")
        assert prepare(folder).protocol == before.protocol

    def test_linked_classes(self, folder, tmp_path):
        shutil.move(folder / "apple", tmp_path / "disk")
        (folder / "apple").symlink_to(tmp_path / "disk")
        make_classes(tmp_path / "more", seed=600, pear=4)
        (folder / "pear" / "more").symlink_to(tmp_path / "more" / "pear")
        dataset = prepare(folder)
        assert sum(dataset.sizes.values()) == 20 + 14 + 3
        assert "pear/more/000.jpg" in set.union(*(paths(dataset, split) for split in dataset.sizes))

    def test_the_home_folder(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert prepare("~/photos").protocol == prepare(folder).protocol

    def test_folders_of_splits_with_a_list_of_classes(self, root):
        for split, seed in (("train", 0), ("valid", 100), ("test", 200)):
            make_classes(root, seed, **{split: 8})
            rows = [f"{number:03d}.jpg, {'fig' if number % 2 else 'egg'}" for number in range(8)]
            (root / split / "_classes.csv").write_text("\r\n".join(["\ufefffilename, class", *rows]))
        dataset = prepare(root)
        assert dataset.class_names == ("egg", "fig")
        assert dataset.sizes == {"train": 8, "val": 8, "test": 8}
        assert all(record["label"] == int(record["path"][-5:-4]) % 2 for record in records(dataset, "test"))


class TestReports:
    def test_other_files_and_empty_classes_are_named(self, folder, caplog):
        (folder / "apple" / "notes.txt").write_text("red ones")
        (folder / "nothing here").mkdir()
        (folder / "apple" / "Thumbs.db").write_bytes(b"clutter")
        dataset = prepare(folder)
        assert "files that are not photos or not in the folder of a class: apple/notes.txt" in caplog.text
        assert "class folders without photos: nothing here" in caplog.text
        assert "1 other file left out; 1 empty class folder left out" in dataset.protocol
        assert "Thumbs" not in caplog.text
        assert dataset.class_names == ("apple", "pear", "plum")

    def test_photos_that_two_splits_share_are_named(self, root, caplog):
        make_classes(root / "train", apple=5, pear=5)
        make_classes(root / "test", seed=100, apple=3, pear=3)
        shutil.copy(root / "train/apple/001.jpg", root / "test/apple/copy.jpg")
        near = recompressed(Image.open(root / "train/pear/002.jpg")).resize((48, 36), Image.Resampling.LANCZOS)
        near.save(root / "test/pear/near.png")
        dataset = prepare(root)
        assert "2 pairs of nearly the same photo in two splits" in dataset.protocol
        assert "train/apple/001.jpg (train) = test/apple/copy.jpg (test)" in caplog.text
        assert "train/pear/002.jpg (train) = test/pear/near.png (test)" in caplog.text

    def test_contradictory_labels_are_named(self, folder, caplog):
        shutil.copy(folder / "apple/001.jpg", folder / "pear/same.jpg")
        dataset = prepare(folder)
        assert "the same photo under several classes: apple/001.jpg = pear/same.jpg" in caplog.text
        assert "1 photo under several classes" in dataset.protocol
        assert {"apple/001.jpg", "pear/same.jpg"} <= paths(dataset, "train")

    def test_identical_files_share_their_split(self, folder):
        for number in range(20):
            shutil.copy(folder / f"apple/{number:03d}.jpg", folder / f"apple/copy of {number:03d}.jpg")
        dataset = prepare(folder)
        for split in ("train", "val", "test"):
            found = {path for path in paths(dataset, split) if path.startswith("apple/")}
            assert found
            assert {path.replace("copy of ", "") for path in found} <= found
        assert "0 pairs of nearly the same" in dataset.protocol


class TestWherePreparedDataLie:
    def test_a_changed_folder_is_prepared_anew(self, folder):
        before = prepare(folder)
        write(folder, "plum/000.jpg", 999)
        after = prepare(folder)
        assert after.builder.data_path != before.builder.data_path
        assert digests(after) - digests(before) == {hashlib.sha256((folder / "plum/000.jpg").read_bytes()).hexdigest()}

    def test_a_copy_of_the_folder_is_the_same_data(self, folder, tmp_path, monkeypatch):
        first = prepare(folder)
        shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
        monkeypatch.setattr(image_folder.ImageFolder, "_generate_examples", None)
        assert prepare(tmp_path / "copy").protocol == first.protocol

    def test_each_option_has_its_own_records(self, folder):
        assert len({prepare(folder, split_seed=seed).builder.data_path for seed in range(3)}) == 3


def digests(dataset):
    decoders = {"image": tfds.decode.SkipDecoding()}
    stored = dataset.builder.as_dataset(split="train+val+test", decoders=decoders)
    return {hashlib.sha256(record["image"]).hexdigest() for record in tfds.as_numpy(stored)}


class TestBadOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"val_fraction": -0.1}, "val_fraction=-0.1 of image_folder must be above 0 and below 1"),
            ({"test_fraction": 1.5}, "test_fraction=1.5 of image_folder must be above 0 and below 1"),
            ({"val_fraction": "much"}, "val_fraction='much' of image_folder"),
            ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
            ({"split_seed": 0.5}, "split_seed=0.5 of image_folder must be an integer"),
            ({"fold": 1}, "fold=1 of image_folder must be a whole number from 0, below folds"),
            (
                {"part": 1},
                "part is not an option of image_folder; its options: val_fraction, test_fraction, split_seed, folds",
            ),
        ],
    )
    def test_are_refused(self, folder, options, message):
        with pytest.raises(UserError, match=message):
            prepare(folder, **options)

    def test_no_folder(self):
        with pytest.raises(UserError, match=r"dataset\.data_dir is empty: name the folder of your photos"):
            prepare("")

    @pytest.mark.parametrize("place", ["", "tfds"])
    def test_records_among_the_photos(self, folder, monkeypatch, place):
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder / place))
        with pytest.raises(UserError, match=r"TFDS_DATA_DIR=\S+ lies in dataset.data_dir=\S+, among the photos"):
            prepare(folder)


def test_the_same_split_whatever_lists_the_folder(folder, monkeypatch):
    listing = folder_listing.read_listing(folder)
    contents = {photo.path: photo.path.encode() for photo in listing.photos["train"]}
    forward = folder_examination.divide(listing.photos, contents, Division())
    backward = folder_examination.divide({"train": listing.photos["train"][::-1]}, contents, Division())
    assert {split: set(members) for split, members in forward.items()} == {
        split: set(members) for split, members in backward.items()
    }
