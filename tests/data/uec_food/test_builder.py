import functools
import http.server
import json
import shutil
import threading
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from jdnet_jax import data
from jdnet_jax.data.uec_food import builder as uec_builder
from jdnet_jax.process.errors import UserError
from tests.data.tiny import dataset_config, encode, smooth_photo
from tests.data.uec_food.tree import BOX, HEIGHT, WIDTH, add_photo, make_tree, numbers, pack, write_lines


def prepare(folder, name="uec_food100", **options):
    return data.prepare(dataset_config(name, data_dir=str(folder), options=options))


def records(dataset, split):
    """Label and encoded image of each photo, by its path, in the order of the records."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    stored = tfds.as_numpy(dataset.builder.as_dataset(split=split, decoders=decoders))
    return {record["path"].decode(): (int(record["label"]), record["image"]) for record in stored}


def splits(dataset):
    return {split: records(dataset, split) for split in ("train", "val", "test")}


@pytest.mark.usefixtures("store")
class TestSplits:
    def test_complement(self, made):
        dataset = prepare(made)
        assert dataset.class_names == tuple(f"food {c}" for c in range(1, 101))
        assert dataset.sizes == {"train": 200, "val": 100, "test": 100}
        split = splits(dataset)
        assert split["test"].keys() == {f"{c}/{numbers(c)[0]}.jpg" for c in range(1, 101)}
        assert len({path for photos in split.values() for path in photos}) == 400
        for photos in split.values():
            for path, (label, encoded) in photos.items():
                assert label == int(path.split("/")[0]) - 1
                assert encoded == (made / "UECFOOD100" / path).read_bytes()
        # A tenth of three is rounded up to one.
        assert Counter(label for label, _ in split["val"].values()) == dict.fromkeys(range(100), 1)
        assert (
            "train 200 (train), val 100 (val), test 100 (test); fold 0: test is val0.txt, train and val are all the "
            "rest; whole photos; 0 photos of train with a copy in test dropped; unreadable photos skipped: test 0, "
            "others 0; classes: train 100, val 100, test 100 of 100; photos whose picture the split has under several "
            "classes: train 0, val 0, test 0; multiple_food.txt lists 2 photos"
        ) in dataset.protocol

    def test_records_are_not_in_the_order_of_the_classes(self, made):
        labels = [label for label, _ in records(prepare(made), "train").values()]
        assert len(set(labels[:50])) > 30
        assert len(set(labels[-20:])) > 12

    def test_other_lists_of_another_fold(self, made):
        dataset = prepare(made, fold=2, train="other_lists")
        split = splits(dataset)
        listed = set((made / "uecfood100_split" / "val2.txt").read_text().split())
        assert {f"UECFOOD100/{path}" for path in split["test"]} == listed
        unlisted = {f"{c}/{numbers(c)[3]}.jpg" for c in range(1, 101)}
        assert not unlisted & {path for photos in split.values() for path in photos}
        assert dataset.sizes["train"] + dataset.sizes["val"] == 300 - len(listed)
        assert "fold 2: test is val2.txt, train and val are the other four lists" in dataset.protocol

    def test_batches(self, made):
        batches = list(data.eval_batches(prepare(made), "test", batch_size=30, image_size=16, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 100

    def test_the_large_set(self, tmp_path):
        dataset = prepare(make_tree(tmp_path / "large", 256), "uec_food256")
        assert dataset.builder.name == "uec_food256"
        assert len(dataset.class_names) == 256
        assert dataset.sizes == {"train": 512, "val": 256, "test": 256}

    def test_windows_line_ends(self, made, tree):
        for path in tree.rglob("*.txt"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        expected, actual = prepare(made, crop="box"), prepare(tree, crop="box")
        assert actual.class_names == expected.class_names
        assert splits(actual) == splits(expected)


@pytest.mark.usefixtures("store")
class TestCopies:
    @pytest.fixture
    def shared(self, tree):
        """Photo 1 is tested as class 1; class 2 has it for training, and the test list has a copy of photo 5."""
        add_photo(tree, "2/9001.jpg", copy_of="1/1.jpg")
        add_photo(tree, "3/9002.jpg", copy_of="2/5.jpg", fold=0)
        add_photo(tree, "4/9003.jpg", copy_of="3/11.jpg")
        return tree

    def test_copies_of_test_photos_are_dropped_from_train_and_listed(self, shared):
        dataset = prepare(shared)
        split = splits(dataset)
        assert "2/9001.jpg" not in split["train"].keys() | split["val"].keys()
        assert "1/1.jpg" in split["test"]
        assert "1 photos of train with a copy in test dropped" in dataset.protocol
        metadata = json.loads((dataset.builder.data_path / "metadata.json").read_text())
        assert metadata["duplicates"] == {"2/9001.jpg": "1/1.jpg"}

    def test_copies_inside_a_split_stay_and_are_counted(self, shared):
        dataset = prepare(shared)
        split = splits(dataset)
        assert split["test"]["2/5.jpg"][1] == split["test"]["3/9002.jpg"][1]
        assert [split["test"][path][0] for path in ("2/5.jpg", "3/9002.jpg")] == [1, 2]
        in_train = {"3/11.jpg", "4/9003.jpg"} <= split["train"].keys()
        assert in_train or {"3/11.jpg", "4/9003.jpg"} <= split["val"].keys()
        expected = "train 2, val 0, test 2" if in_train else "train 0, val 2, test 2"
        assert f"photos whose picture the split has under several classes: {expected}" in dataset.protocol

    def test_no_picture_is_in_two_splits(self, tree):
        for c in range(1, 100):  # each class shares a picture with the next
            add_photo(tree, f"{c + 1}/{9000 + c}.jpg", copy_of=f"{c}/{numbers(c)[1]}.jpg")
        pictures = [{encoded for _, encoded in photos.values()} for photos in splits(prepare(tree)).values()]
        assert sum(map(len, pictures)) == len(set().union(*pictures)) == 400

    def test_without_dedupe_they_stay_and_the_protocol_says_so(self, shared):
        dataset = prepare(shared, dedupe=False)
        split = splits(dataset)
        assert "2/9001.jpg" in split["train"].keys() | split["val"].keys()
        assert "1 photos of train with a copy in test NOT dropped" in dataset.protocol


@pytest.mark.usefixtures("store")
class TestBoxes:
    @pytest.fixture
    def boxed(self, tree):
        """Odd boxes for the photos of the first classes."""
        folder = tree / "UECFOOD100"
        rows = {
            1: [-5, -5, 12, 10],  # exceeds the picture at the top left
            2: [10, 10, 900, 900],  # and at the bottom right
            3: [30, 5, 50, 15],  # outside
            4: [0, 0, WIDTH, HEIGHT],  # all of it
        }
        lines = [" ".join(map(str, [number, *box])) for number, box in rows.items()]
        write_lines(folder / "1" / "bb_info.txt", ["img x1 y1 x2 y2", *lines])
        x1, y1, x2, y2 = BOX
        smaller, larger = (x1, y1, x2 - 6, y2 - 6), (x1 - 2, y1 - 2, x2 + 2, y2 + 2)
        lines = [f"{number} {' '.join(map(str, box))}" for number in (5, 6) for box in (BOX, larger, smaller)]
        write_lines(folder / "2" / "bb_info.txt", ["img x1 y1 x2 y2", *lines])  # none for 7 and 8
        return tree

    def check(self, tree, dataset, path, top, left, height, width):
        photos = {name: encoded for split in splits(dataset).values() for name, (_, encoded) in split.items()}
        image = tf.io.decode_jpeg((tree / "UECFOOD100" / path).read_bytes()).numpy()
        cut = image[top : top + height, left : left + width].astype(int)
        actual = tf.io.decode_jpeg(photos[path]).numpy()
        assert actual.shape == cut.shape
        assert np.abs(actual - cut).max() <= 8

    def test_boxes(self, boxed):
        dataset = prepare(boxed, crop="box")
        check = functools.partial(self.check, boxed, dataset)
        check("9/33.jpg", 3, 4, 12, 16)  # an ordinary one
        check("1/1.jpg", 0, 0, 10, 12)
        check("1/2.jpg", 10, 10, 10, 14)
        check("1/3.jpg", 0, 0, HEIGHT, WIDTH)
        check("2/5.jpg", 1, 2, 16, 20)  # the largest of three
        check("2/7.jpg", 0, 0, HEIGHT, WIDTH)
        assert dataset.sizes == {"train": 200, "val": 100, "test": 100}
        assert "cropped to the box, margin 0 (3 photos without a usable box kept whole)" in dataset.protocol
        metadata = json.loads((dataset.builder.data_path / "metadata.json").read_text())
        assert sorted(metadata["without_box"]) == ["1/3.jpg", "2/7.jpg", "2/8.jpg"]

    def test_margin(self, boxed):
        dataset = prepare(boxed, crop="box", margin=0.25)
        check = functools.partial(self.check, boxed, dataset)
        check("9/33.jpg", 0, 0, 18, 24)
        check("1/1.jpg", 0, 0, 13, 15)
        assert "cropped to the box, margin 0.25" in dataset.protocol

    def test_a_class_without_boxes_can_be_had_whole_only(self, tree):
        (tree / "UECFOOD100" / "9" / "bb_info.txt").unlink()
        with pytest.raises(UserError, match=r"lacks 9/bb_info.txt"):
            prepare(tree, crop="box")
        assert prepare(tree).sizes["test"] == 100


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.usefixtures("store")
class TestUnreadable:
    def test_up_to_one_percent_is_skipped_counted_and_named(self, tree, caplog):
        truncate(tree / "UECFOOD100" / "5" / f"{numbers(5)[1]}.jpg")
        truncate(tree / "UECFOOD100" / "6" / f"{numbers(6)[0]}.jpg")
        (tree / "UECFOOD100" / "7" / f"{numbers(7)[3]}.jpg").write_bytes(b"")
        dataset = prepare(tree)
        assert dataset.sizes["train"] + dataset.sizes["val"] == 298
        assert dataset.sizes["test"] == 99
        assert "unreadable photos skipped: test 1, others 2" in dataset.protocol
        metadata = json.loads((dataset.builder.data_path / "metadata.json").read_text())
        assert metadata["skipped"].keys() == {"5/18.jpg", "6/21.jpg", "7/28.jpg"}
        for path in metadata["skipped"]:
            assert path in caplog.text
            assert all(path not in photos for photos in splits(dataset).values())

    def test_a_listed_photo_that_is_not_there_is_one_of_them(self, tree):
        with (tree / "uecfood100_split" / "val0.txt").open("a") as file:
            file.write("UECFOOD100/8/77777.jpg\n")
        dataset = prepare(tree)
        assert "unreadable photos skipped: test 1, others 0" in dataset.protocol
        assert dataset.sizes["test"] == 100

    def test_more_than_one_percent_is_an_error(self, tree):
        for c in (11, 12):
            truncate(tree / "UECFOOD100" / str(c) / f"{numbers(c)[0]}.jpg")
        expected = r"2 of the 100 photos in \S*val0.txt .* cannot be read, more than 1%; the first is 11/41.jpg \(trunc"
        with pytest.raises(UserError, match=expected):
            prepare(tree)
        with pytest.raises(UserError):  # nothing was left that looks prepared
            prepare(tree)
        assert prepare(tree, fold=1).sizes["test"] == 100  # 2 of 300 are few enough

    def test_unlisted_photos_do_not_count_where_they_are_not_used(self, tree):
        for c in range(20, 30):
            truncate(tree / "UECFOOD100" / str(c) / f"{numbers(c)[3]}.jpg")
        assert "skipped: test 0, others 0" in prepare(tree, train="other_lists").protocol
        with pytest.raises(UserError, match="10 of the 300 photos in the train split"):
            prepare(tree)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 5}, "fold=5 of UECFood must be 0 to 4"),
        ({"fold": "0"}, "fold='0' of UECFood must be 0 to 4"),
        ({"fold": True}, "fold=True of UECFood must be 0 to 4"),
        ({"train": "rest"}, "train='rest' of UECFood must be one of complement, other_lists"),
        ({"crop": "boxes"}, "crop='boxes' of UECFood must be one of full, box"),
        ({"crop": "box", "margin": -0.1}, "margin=-0.1 of UECFood must be a number, at least 0"),
        ({"crop": "box", "margin": float("nan")}, "margin=nan of UECFood must be a number, at least 0"),
        ({"margin": 0.1}, "margin=0.1 of UECFood goes with crop='box' alone"),
        ({"dedupe": "no"}, "dedupe='no' of UECFood must be True or False"),
        ({"folds": 1}, "folds is not an option of uec_food100; its options: fold, train, crop, margin, dedupe"),
    ],
)
def test_bad_options(store, made, options, message):
    with pytest.raises(UserError, match=rf"^dataset.options.{message}"):
        prepare(made, **options)
    assert not store.exists()


@pytest.mark.usefixtures("store")
class TestWherePreparedDataLie:
    def test_each_option_has_its_own_records(self, made):
        def place(**options):
            return uec_builder.create(100, str(made), None, **options).data_path

        places = [
            *(place(fold=fold) for fold in range(5)),
            place(train="other_lists"),
            place(dedupe=False),
            place(crop="box"),
            place(crop="box", margin=0.1),
            place(crop="box", margin=0.1000001),
        ]
        assert len(set(places)) == len(places)
        assert place(margin=0) == place()

    def test_changed_files_are_prepared_anew(self, tree):
        before = prepare(tree)
        changed = tree / "UECFOOD100" / "1" / "1.jpg"
        changed.write_bytes(encode(smooth_photo(99, 40, 40), "JPEG"))
        after = prepare(tree)
        assert after.builder.data_path != before.builder.data_path
        assert records(after, "test")["1/1.jpg"][1] == changed.read_bytes() != records(before, "test")["1/1.jpg"][1]

    def test_the_archive_gives_the_same_records(self, made, tree):
        of_folder = prepare(made)
        expected = splits(of_folder)
        shutil.rmtree(of_folder.builder.data_path)
        of_archive = prepare(pack(tree, tree / "dataset100.zip", "UECFOOD100"))
        assert splits(of_archive) == expected
        assert of_archive.builder.data_path == of_folder.builder.data_path
        assert of_archive.protocol == of_folder.protocol


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A server of what lies in the folder that the fixture returns, in the place of foodcam.mobi."""
    served = tmp_path / "served"
    served.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(served))
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)  # else TFDS tries for minutes
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(uec_builder, "HOST", f"http://127.0.0.1:{server.server_port}")
        yield served
        server.shutdown()


@pytest.mark.usefixtures("store")
class TestDownload:
    def test_both_archives(self, tree, host, monkeypatch):
        expected = splits(prepare(tree))
        pack(tree, host / "dataset100.zip", "UECFOOD100")
        pack(tree, host / "uecfood_split.zip", "uecfood100_split")
        dataset = prepare("")
        assert splits(dataset) == expected
        monkeypatch.setattr(uec_builder, "HOST", "http://127.0.0.1:9")
        assert prepare("").sizes == dataset.sizes  # now without the server
        assert dataset.builder.builder_config.name == "fold0_complement_full_dedupe_download"

    def test_the_lists_alone_where_the_photos_are_at_hand(self, tree, host):
        pack(tree, host / "uecfood_split.zip", "uecfood100_split")
        assert prepare(tree).sizes == {"train": 200, "val": 100, "test": 100}

    def test_no_lists(self, tree, host):
        shutil.rmtree(tree / "uecfood100_split")
        expected = (
            r"^http\S*/uecfood_split.zip cannot be downloaded \([^\n]+\); get uecfood_split.zip by other means and "
        )
        with pytest.raises(UserError, match=expected + "put it beside the photos$"):
            prepare(tree)

    def test_no_photos(self, host):
        expected = (
            r"^http\S*/dataset100.zip cannot be downloaded \([^\n]+\); get dataset100.zip by other means and name "
        )
        with pytest.raises(UserError, match=expected + "the archive, or its unpacked folder, as dataset.data_dir$"):
            prepare("")

    def test_a_page_in_the_place_of_the_archive(self, host):
        (host / "dataset100.zip").write_text("<html>moved</html>")
        (host / "uecfood_split.zip").write_text("<html>moved</html>")
        with pytest.raises(UserError, match=r"a complete zip archive; delete it and download it again$"):
            prepare("")
