from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.process.errors import UserError
from tests.data.test_image_folder import write
from tests.data.tiny import dataset_config

pytestmark = pytest.mark.usefixtures("store")


def write_mask(root: Path, path: str, mask: np.ndarray):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(root / path)


def left(share=0.5, value=255, height=24, width=32) -> np.ndarray:
    """A mask of the left part of a photo of 24 x 32 pixels."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, : round(share * width)] = value
    return mask


def add(root: Path, name: str, seed: int, mask: np.ndarray, split=""):
    write(root, f"{split}photos/{name}.jpg", seed)
    write_mask(root, f"{split}masks/{name}.png", mask)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "meals"


@pytest.fixture
def folder(root):
    for seed in range(10):
        add(root, f"rice/{seed}", seed, left(0.25))
        add(root, f"soup/{seed}", 50 + seed, left(0.75, value=1))
    return root


def prepare(root, view="roi+context", **options):
    return data.prepare(dataset_config("masked_folder", data_dir=str(root), options=options, view=view))


def records(dataset, split):
    return list(tfds.as_numpy(dataset.builder.as_dataset(split=split)))


def test_examples_hold_photo_mask_and_class(folder):
    dataset = prepare(folder)
    assert dataset.class_names == ("rice", "soup")
    assert dataset.sizes == {"train": 16, "val": 2, "test": 2}
    for record in (record for split in dataset.sizes for record in records(dataset, split)):
        share = {0: 0.25, 1: 0.75}[record["label"]]
        assert record["mask"].shape == (24, 32, 1)
        np.testing.assert_array_equal(record["mask"][..., 0], left(share))  # 255, whatever the file had
    assert "0 empty masks left out; 0 masks of the whole photo" in dataset.protocol


def test_a_view_reaches_the_batches(folder):
    [batch, *_] = data.eval_batches(prepare(folder), "test", batch_size=2, image_size=24, crop_fraction=1.0)
    for label, roi, context in zip(batch["label"], batch["image"], batch["context"], strict=True):
        # The central 24 of 32 columns begin at 4, so a quarter, 8 columns, leaves 4, and three quarters 20.
        edge = {0: 4, 1: 20}[int(label)]
        assert not roi[:, edge:].any()
        assert not context[:, :edge].any()


def test_one_photo_under_two_classes_is_two_pairs_of_one_split(root):
    """The pair is known by photo and class: one name and one file under both, with masks of their own."""
    for seed in range(12):
        add(root, f"rice/{seed}", seed, left(0.25))
        add(root, f"soup/{seed}", seed, left(0.75))
    dataset = prepare(root)
    assert sum(dataset.sizes.values()) == 24
    of_split = {split: {record["path"].decode() for record in records(dataset, split)} for split in dataset.sizes}
    for paths in of_split.values():
        assert {p.removeprefix("rice/") for p in paths if "rice" in p} == {
            p.removeprefix("soup/") for p in paths if "soup" in p
        }


def test_masks_without_a_region_are_left_out_and_full_ones_counted(folder):
    add(folder, "rice/none", 100, left(0.0))
    add(folder, "rice/all", 101, left(1.0))
    dataset = prepare(folder)
    assert sum(dataset.sizes.values()) == 21
    assert "1 empty mask left out; 1 mask of the whole photo" in dataset.protocol


def test_a_folder_that_is_divided(root):
    for split, seed in (("train", 0), ("val", 40), ("test", 80)):
        for number in range(3):
            add(root, f"rice/{number}", seed + number, left(), f"{split}/")
            add(root, f"soup/{number}", seed + 20 + number, left(), f"{split}/")
    dataset = prepare(root)
    assert dataset.sizes == {"train": 6, "val": 6, "test": 6}
    assert all(record["path"].startswith(b"val/") for record in records(dataset, "val"))


def test_a_mask_lies_under_its_photos_own_name(root):
    """On Linux a name keeps the writing of its accents, such as that of a Mac."""
    for number in range(3):
        add(root, f"cre\u0300me/{number} bru\u0302le\u0301e", number, left())
        add(root, f"soup/{number}", 50 + number, left())
    dataset = prepare(root, val_fraction=0.3, test_fraction=0.3)
    assert dataset.class_names == ("cr\u00e8me", "soup")
    assert sum(dataset.sizes.values()) == 6


def test_missing_masks_are_counted(folder):
    (folder / "masks/rice/3.png").unlink()
    (folder / "masks/soup/4.png").unlink()
    with pytest.raises(
        UserError, match=r"^2 of the 20 photos have no mask; the first is rice/3.jpg, whose mask .*3.png"
    ):
        prepare(folder)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (left(height=32, width=24), "its mask is 24 x 32 pixels, the upright photo 32 x 24"),
        (np.zeros((24, 32, 3), np.uint8), "its mask is not an 8-bit image of one channel but RGB"),
    ],
)
def test_masks_that_cannot_be_used(folder, mask, reason, caplog):
    write_mask(folder, "masks/rice/0.png", mask)
    assert "1 unreadable mask skipped" in prepare(folder).protocol
    assert reason in caplog.text
    for number in range(10):
        write_mask(folder, f"masks/rice/{number}.png", mask)
    with pytest.raises(UserError, match=r"no photo of rice in .* has a mask that can be used"):
        prepare(folder)


def test_a_changed_mask_is_prepared_anew(folder):
    before = prepare(folder).protocol
    write_mask(folder, "masks/rice/0.png", left(0.5))
    assert prepare(folder).protocol != before


def test_no_such_layout(root):
    write(root, "rice/0.jpg", 0)
    with pytest.raises(UserError, match=r"must hold photos/<class>/<name>.jpg and masks/<class>/<name>.png"):
        prepare(root)


def test_a_view_of_a_dataset_without_masks(tmp_path):
    for name in ("a", "b"):
        for seed in range(4):
            write(tmp_path / "photos", f"{name}/{seed}.jpg", ord(name) + 10 * seed)
    with pytest.raises(UserError, match=r"dataset.view='roi' needs a mask for each photo, and image_folder has none"):
        data.prepare(dataset_config("image_folder", data_dir=str(tmp_path / "photos"), view="roi"))
