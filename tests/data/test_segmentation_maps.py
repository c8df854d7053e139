import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.data import segmentation_maps
from jdnet_jax.process.errors import UserError
from tests.data.test_image_folder import write
from tests.data.tiny import dataset_config

pytestmark = pytest.mark.usefixtures("store")

KINDS = ("foodseg103", "uec_foodpix")


def classes_of(number):
    """Class 3 is in each photo, class 7 in every other, and the fifth photo holds no food."""
    return () if number == 4 else (3, 7) if number % 2 else (3,)


def make(kind, root, counts=(12, 4)):
    """A tree of the dataset's layout; `train` and `test` have photos of the same names."""
    layout = segmentation_maps.BUILDERS[kind].layout
    for split, count in zip(segmentation_maps.OFFICIAL, counts, strict=True):
        photos, maps = layout.photos.format(split=split), layout.maps.format(split=split)
        (root / maps).mkdir(parents=True)
        for number in range(count):
            write(root, f"{photos}/{number:05d}.jpg", 100 * len(split) + number)
            values = np.zeros((24, 32), np.uint8)
            for place, class_id in enumerate(classes_of(number)):
                values[:, 10 * place : 10 * place + 5] = class_id
            if layout.channel is not None:
                values = np.stack([values, np.full_like(values, 9), values * 0], -1)
            Image.fromarray(values).save(root / maps / f"{number:05d}.png")
    names = ["id\tname", "0\tbackground", *(f"{i}\tfood {i}" for i in range(1, layout.classes + 1))]
    (root / layout.categories).write_text("\n".join(names) + "\n")
    return root


def prepare(kind, root, **options):
    return data.prepare(dataset_config(kind, data_dir=str(root), options=options, view="roi+context"))


def records(dataset, split):
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split)))


@pytest.mark.parametrize("kind", KINDS)
def test_one_example_for_each_photo_and_class(kind, tmp_path):
    dataset = prepare(kind, make(kind, tmp_path / "raw"))
    assert dataset.class_names == tuple(
        f"food {i}" for i in range(1, segmentation_maps.BUILDERS[kind].layout.classes + 1)
    )
    assert dataset.sizes["train"] + dataset.sizes["val"] == 11 + 6
    assert dataset.sizes["test"] == 4 + 2
    for record in (record for split in dataset.sizes for record in records(dataset, split)):
        begin = {2: 0, 6: 10}[record["label"]]
        expected = np.zeros((24, 32), np.uint8)
        expected[:, begin : begin + 5] = 255
        np.testing.assert_array_equal(record["mask"][..., 0], expected)
    words = "official train: 12 photos, 0 skipped, 1 without food; official test: 4 photos, 0 skipped, 0 without food"
    assert words in dataset.protocol


def test_pairs_of_one_photo_are_never_parted_and_names_of_both_splits_not_confused(tmp_path):
    dataset = prepare("foodseg103", make("foodseg103", tmp_path / "raw"), val_fraction=0.4)
    photos = {split: {record["photo"].decode() for record in records(dataset, split)} for split in dataset.sizes}
    assert not photos["train"] & photos["val"]
    assert len(photos["train"] | photos["val"]) == 11
    assert photos["test"] == {f"test/{number:05d}" for number in range(4)}
    assert photos["val"]


def test_a_folder_above_is_found(tmp_path):
    make("uec_foodpix", tmp_path / "raw" / "UECFOODPIXCOMPLETE" / "data")
    assert prepare("uec_foodpix", tmp_path / "raw").sizes["test"] == 6


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="must be the folder of foodseg103, with Images/img_dir/train"):
        prepare("foodseg103", tmp_path)
    root = make("foodseg103", tmp_path / "raw")
    (root / "Images/ann_dir/train/00002.png").unlink()
    with pytest.raises(UserError, match=r"1 of the 12 photos in .* have no map in .*; the first is 00002.jpg"):
        prepare("foodseg103", root)
    with pytest.raises(UserError, match="val_fraction=0 of foodseg103 must be above 0 and below 1"):
        prepare("foodseg103", root, val_fraction=0)


def test_an_unknown_class_in_a_map(tmp_path):
    root = make("foodseg103", tmp_path / "raw")
    Image.fromarray(np.full((24, 32), 104, np.uint8)).save(root / "Images/ann_dir/train/00002.png")
    with pytest.raises(UserError, match="its map has the class 104 of 103"):
        prepare("foodseg103", root)


def test_a_list_from_windows_and_what_a_mac_leaves(tmp_path):
    kind = "foodseg103"
    root = make(kind, tmp_path / "zip" / "set")
    layout = segmentation_maps.BUILDERS[kind].layout
    before = segmentation_maps.read_names(root / layout.categories, layout.classes)
    text = (root / layout.categories).read_text()
    (root / layout.categories).write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert segmentation_maps.read_names(root / layout.categories, layout.classes) == before
    folder = layout.photos.format(split="train")
    (tmp_path / "zip" / "__MACOSX" / folder).mkdir(parents=True)
    assert segmentation_maps.find_root(kind, tmp_path / "zip", layout) == root
    photos = segmentation_maps.list_photos(root, "train", layout)
    (root / folder / "._00000.jpg").write_bytes(b"of the Finder")
    assert segmentation_maps.list_photos(root, "train", layout) == photos
