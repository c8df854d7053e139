import functools
import hashlib
import http.server
import shutil
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.data import grocery_store
from jdnet_jax.process.errors import UserError
from tests.conftest import SHARED_DATA
from tests.data.tiny import dataset_config, encode, smooth_photo

REAL = SHARED_DATA / "grocery_store"
CLASSES = (("Granny-Smith", 0, "Apple", 0), ("Pink-Lady", 1, "Apple", 0), ("Lemon", 2, "Lemon", 1))


def make_tree(root: Path, *, train=5, val=2, test=3) -> Path:
    """The repository in small: so many photos of each class; the official val holds only the first two classes."""
    folder = root / "dataset"
    folder.mkdir(parents=True)
    header = "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str)"
    rows = [",".join(map(str, row)) + ",/iconic/none.jpg" for row in CLASSES]
    (folder / "classes.csv").write_text("\n".join([header, *rows]) + "\n")
    for split, count in (("train", train), ("val", val), ("test", test)):
        lines = []
        for name, fine, coarse_name, coarse in CLASSES[: 2 if split == "val" else 3]:
            for i in range(count):
                path = f"{split}/Fruit/{coarse_name}/{name}/{name}_{i:03d}.jpg"
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(encode(smooth_photo(10 * fine + i, 20, 24), "JPEG"))
                lines.append(f"{path}, {fine}, {coarse}")
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "repository")


def prepare(folder, **options):
    return data.prepare(dataset_config("grocery_store", data_dir=str(folder), options=options))


def records(dataset, split):
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split)))


def truncate(path: Path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.usefixtures("store")
class TestMasks:
    def test_each_photo_has_the_mask_at_its_path(self, tree, tmp_path):
        masks = make_masks(tree, tmp_path / "masks")
        empty = masks / "train/Fruit/Apple/Pink-Lady/Pink-Lady_001.png"
        Image.fromarray(np.zeros((20, 24), np.uint8)).save(empty)
        dataset = prepare(tree, masks=str(masks))
        assert dataset.sizes == {"train": 14, "val": 4, "test": 9}
        assert "1 empty mask left out" in dataset.protocol
        for record in records(dataset, "train"):
            assert (record["mask"] > 0).sum() == 24 * (1 + int(record["label"]))

    def test_photos_without_a_mask_are_counted(self, tree, tmp_path):
        masks = make_masks(tree, tmp_path / "masks")
        (masks / "test/Fruit/Lemon/Lemon/Lemon_000.png").unlink()
        with pytest.raises(UserError, match=r"1 of the 28 photos have no mask; the first is test/Fruit/Lemon"):
            prepare(tree, masks=str(masks))


def make_masks(tree, folder):
    """A row of region for class 0, two for class 1, three for class 2."""
    for path in (tree / "dataset").glob("*/**/*.jpg"):
        mask = np.zeros((20, 24), np.uint8)
        mask[: 1 + [name for name, *_ in CLASSES].index(path.parent.name)] = 255
        file = folder / path.relative_to(tree / "dataset").with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(file)
    return folder


@pytest.mark.usefixtures("store")
class TestFolder:
    def test_records_are_the_rows_of_the_split_files(self, tree):
        dataset = prepare(tree)
        assert dataset.class_names == ("Granny-Smith", "Pink-Lady", "Lemon")
        assert dataset.sizes == {"train": 15, "val": 4, "test": 9}
        for split, size in dataset.sizes.items():
            rows = (tree / "dataset" / f"{split}.txt").read_text().splitlines()
            expected = {row.split(", ")[0]: int(row.split(", ")[1]) for row in rows}
            actual = {record["path"].decode(): record["label"] for record in records(dataset, split)}
            assert actual == expected
            assert len(actual) == size

    def test_files_are_kept_byte_for_byte(self, tree):
        dataset = prepare(tree)
        decoders = {"image": tfds.decode.SkipDecoding()}
        for record in tfds.as_numpy(dataset.builder.as_dataset(split="val", decoders=decoders)):
            assert record["image"] == (tree / "dataset" / record["path"].decode()).read_bytes()

    def test_coarse_labels(self, tree):
        dataset = prepare(tree, labels="coarse")
        assert dataset.class_names == ("Apple", "Lemon")
        assert Counter(record["label"] for record in records(dataset, "train")) == {0: 10, 1: 5}

    def test_the_dataset_folder_will_do(self, tree):
        assert prepare(tree / "dataset").builder.data_path == prepare(tree).builder.data_path

    def test_batches(self, tree):
        batches = list(data.eval_batches(prepare(tree), "test", batch_size=4, image_size=16, crop_fraction=1.0))
        assert sum(batch["mask"].sum() for batch in batches) == 9

    def test_protocol_tells_the_options_and_what_val_holds(self, tree):
        protocol = prepare(tree).protocol
        assert "train 15 (train), val 4 (val), test 9 (test)" in protocol
        assert "fine labels, official val (holds 2 of the 3 classes), 0 unreadable photos skipped" in protocol

    def test_holdout_holds_every_class(self, tree):
        dataset = prepare(tree, val="holdout")
        train, val = ({r["path"].decode(): r["label"] for r in records(dataset, s)} for s in ("train", "val"))
        assert Counter(val.values()) == {0: 1, 1: 1, 2: 1}  # a tenth of 7, 7 and 5
        assert Counter(train.values()) == {0: 6, 1: 6, 2: 4}
        assert not train.keys() & val.keys()
        assert dataset.sizes["test"] == 9
        assert "holdout val (holds 3 of the 3 classes)" in dataset.protocol


def photos(*counts, split="train"):
    """`counts[c]` photos of each class c."""
    return tuple(
        grocery_store.Photo(f"{split}/{c}/{i}.jpg", c, 0) for c, count in enumerate(counts) for i in range(count)
    )


class TestHoldOut:
    def test_takes_a_tenth_of_each_class(self):
        split = grocery_store.hold_out({"train": photos(16, 55), "val": photos(4, 5, split="val"), "test": photos(3)})
        assert Counter(photo.fine for photo in split["val"]) == {0: 2, 1: 6}
        assert len(split["train"]) + len(split["val"]) == 80
        assert split["test"] == photos(3)

    def test_does_not_depend_on_the_order_of_the_rows(self):
        given = photos(30, 20)
        forward, backward = (
            grocery_store.hold_out({"train": rows, "val": (), "test": ()}) for rows in (given, given[::-1])
        )
        assert forward == backward

    def test_leaves_a_single_photo_in_train(self):
        split = grocery_store.hold_out({"train": photos(1, 2), "val": (), "test": ()})
        assert Counter(photo.fine for photo in split["train"]) == {0: 1, 1: 1}
        assert Counter(photo.fine for photo in split["val"]) == {1: 1}


@pytest.mark.usefixtures("store")
class TestUnreadable:
    @pytest.fixture
    def large(self, tmp_path):
        """100 photos of each class, so that 3 of the 300 are the 1 % which is still let pass."""
        return make_tree(tmp_path / "large", train=100)

    def test_up_to_one_percent_is_skipped_counted_and_named(self, large, caplog):
        bad = [large / f"dataset/train/Fruit/Apple/Pink-Lady/Pink-Lady_{i:03d}.jpg" for i in (4, 7, 50)]
        truncate(bad[0])
        bad[1].unlink()
        bad[2].write_bytes(b"")
        dataset = prepare(large)
        assert dataset.sizes["train"] == 297
        paths = {record["path"].decode() for record in records(dataset, "train")}
        for path in bad:
            name = str(path.relative_to(large / "dataset"))
            assert name not in paths
            assert name in caplog.text
            assert name in dataset.protocol
        assert "3 unreadable photos skipped" in dataset.protocol
        assert prepare(large).protocol == dataset.protocol  # also when it is read back

    def test_more_than_one_percent_is_an_error(self, large):
        for i in range(4):
            truncate(large / f"dataset/train/Fruit/Lemon/Lemon/Lemon_{i:03d}.jpg")
        with pytest.raises(UserError, match=r"4 of the 300 photos in \S*train.txt cannot be read, more than 1%"):
            prepare(large)
        with pytest.raises(UserError):  # nothing was left that looks prepared
            prepare(large)

    def test_the_percentage_is_of_each_split(self, large):
        truncate(large / "dataset/val/Fruit/Apple/Pink-Lady/Pink-Lady_000.jpg")
        with pytest.raises(UserError, match=r"1 of the 4 photos in \S*val.txt .*Pink-Lady_000.jpg \(truncated"):
            prepare(large)


@pytest.mark.usefixtures("store")
class TestBadFolders:
    def test_missing_folder(self, tmp_path):
        with pytest.raises(UserError, match=r"dataset.data_dir='\S*nowhere' is not a folder"):
            prepare(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", ["classes.csv", "train.txt", "val.txt", "test.txt"])
    def test_missing_file(self, tree, name):
        (tree / "dataset" / name).unlink()
        with pytest.raises(UserError, match=f"lacks {name}"):
            prepare(tree)

    def test_empty_folder(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=r"lacks classes\.csv"):
            prepare(tmp_path / "empty")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("train/a.jpg 0 0", "expected 'path, fine id, coarse id'"),
            ("train/a.jpg, zero, 0", "expected 'path, fine id, coarse id'"),
            ("train/a.jpg, 3, 0", "a class id is not in classes.csv"),
            ("train/a.jpg, 0, -1", "a class id is not in classes.csv"),
            ("train/Fruit/Apple/Pink-Lady/Pink-Lady_000.jpg, 1, 0", "is listed twice"),
        ],
    )
    def test_malformed_row(self, tree, line, message):
        with (tree / "dataset" / "train.txt").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(UserError, match=rf"train.txt, line 16: .*{message}"):
            prepare(tree)

    def test_empty_split_file(self, tree):
        (tree / "dataset" / "val.txt").write_text("\n")
        with pytest.raises(UserError, match=r"val.txt lists no photos"):
            prepare(tree)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("header\nApple,0,Fruit\n", "line 2: expected 'fine name,fine id,coarse name,coarse id"),
            ("header\nApple,1,Fruit,0\n", "the fine class ids must be 0, 1, 2, ... without a gap"),
            ("header\nApple,0,Fruit,0\nLemon,1,Citrus,2\n", "the coarse class ids must be 0, 1, 2"),
            ("header\n", "the fine class ids must be"),
        ],
    )
    def test_malformed_classes(self, tree, content, message):
        (tree / "dataset" / "classes.csv").write_text(content)
        with pytest.raises(UserError, match=message):
            prepare(tree)

    @pytest.mark.parametrize("options", [{"labels": "medium"}, {"val": "test"}])
    def test_unknown_values_of_options(self, tree, options):
        ((name, value),) = options.items()
        with pytest.raises(UserError, match=f"dataset.options.{name}='{value}' of grocery_store must be one of"):
            prepare(tree, **options)


@pytest.mark.usefixtures("store")
class TestWherePreparedDataLie:
    def test_a_changed_folder_is_prepared_anew(self, tree):
        before = prepare(tree)
        (tree / "dataset/val/Fruit/Apple/Pink-Lady/Pink-Lady_000.jpg").write_bytes(
            encode(smooth_photo(99, 40, 40), "JPEG")
        )
        after = prepare(tree)
        assert after.builder.data_path != before.builder.data_path
        assert {r["image"].shape for r in records(after, "val")} == {(20, 24, 3), (40, 40, 3)}
        assert {r["image"].shape for r in records(before, "val")} == {(20, 24, 3)}

    def test_a_copy_of_the_folder_is_the_same_data(self, tree, tmp_path):
        shutil.copytree(tree, tmp_path / "copy")
        assert prepare(tree).builder.data_path == prepare(tmp_path / "copy").builder.data_path

    def test_each_option_has_its_own_records(self, tree):
        paths = {
            prepare(tree, labels=a, val=b).builder.data_path
            for a in ("fine", "coarse")
            for b in ("official", "holdout")
        }
        assert len(paths) == 4


def test_download(tmp_path, store, monkeypatch):
    """The archive as GitHub serves it: one folder, named after the branch, that holds the repository."""
    make_tree(tmp_path / "GroceryStoreDataset-master")
    served = tmp_path / "served" / "archive" / "refs" / "heads"
    served.mkdir(parents=True)
    shutil.make_archive(str(served / "master"), "zip", tmp_path, "GroceryStoreDataset-master")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url_path = grocery_store.URL.removeprefix("https://github.com/marcusklasson/GroceryStoreDataset/")
        monkeypatch.setattr(grocery_store, "URL", f"http://127.0.0.1:{server.server_port}/{url_path}")
        try:
            dataset = prepare("")
        finally:
            server.shutdown()
    assert dataset.sizes == {"train": 15, "val": 4, "test": 9}
    assert dataset.class_names == ("Granny-Smith", "Pink-Lady", "Lemon")
    assert prepare("").sizes == dataset.sizes  # now without the server


def test_no_network_is_one_line(store, monkeypatch):
    monkeypatch.setattr(grocery_store, "URL", "http://127.0.0.1:9/master.zip")
    monkeypatch.setattr(tfds.core.download.downloader, "MAX_RETRIES", 0)  # else TFDS tries for minutes
    with pytest.raises(UserError, match=r"^dataset grocery_store could not be prepared in \S+: [^\n]+$"):
        prepare("")


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the Grocery Store Dataset is not beside the repository")
class TestRealPhotos:
    def test_official_splits(self, tmp_path_factory, monkeypatch):
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.mktemp("grocery")))
        dataset = prepare(REAL)
        assert dataset.sizes == {"train": 2640, "val": 296, "test": 2485}
        assert len(dataset.class_names) == 81
        assert "official val (holds 60 of the 81 classes), 0 unreadable photos skipped" in dataset.protocol
        labels = np.concatenate(
            [
                b["label"][b["mask"]]
                for b in data.eval_batches(dataset, "val", batch_size=64, image_size=32, crop_fraction=1)
            ]
        )
        rows = (REAL / "dataset" / "val.txt").read_text().splitlines()
        assert Counter(labels.tolist()) == Counter(int(row.split(",")[1]) for row in rows)

    def test_holdout(self):
        listing = grocery_store.read_listing(REAL)
        assert len(listing.coarse) == 43
        split = grocery_store.hold_out(listing.photos)
        assert {photo.fine for photo in split["val"]} == set(range(81))
        assert {photo.fine for photo in split["train"]} == set(range(81))
        assert len(split["train"]) + len(split["val"]) == 2640 + 296
        names = "\n".join(sorted(photo.path for photo in split["val"]))
        # Those that this project's results were tuned on.
        assert len(split["val"]) == 293
        assert hashlib.sha256(names.encode()).hexdigest().startswith("ac41f92a5de3")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_as_spreadsheets_save_them(tree, ends, encoding):
    before = grocery_store.read_listing(tree)
    for name in ("classes.csv", "train.txt", "val.txt", "test.txt"):
        text = (before.root / name).read_text(encoding="utf-8")
        (before.root / name).write_bytes(text.replace("\n", ends).encode(encoding))
    assert grocery_store.read_listing(tree) == before
