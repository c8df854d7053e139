from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jdnet_jax import data
from jdnet_jax.config import default
from jdnet_jax.export import pictures
from jdnet_jax.process.errors import UserError
from tests import tiny_student


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 50))
def test_groups_take_turns(groups, limit):
    chosen = pictures.spread(groups, limit)
    assert len(set(chosen)) == len(chosen) == min(limit, len(groups))
    assert chosen == pictures.spread(groups, limit)
    taken, there = Counter(groups[i] for i in chosen), Counter(groups)
    for group in there:
        # None is behind another by more than one unless it has no more.
        assert taken[group] == there[group] or taken[group] >= max(taken.values(), default=0) - 1


@pytest.fixture
def dataset(small_data, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    config = default().dataset
    config.options = {"counts": (64, 24, 41)}
    return data.prepare(config)


def test_a_split_gives_the_views_of_the_evaluation_with_their_labels(dataset):
    card = tiny_student.card(classes=dataset.class_names)
    found = pictures.of_split(dataset, "val", card, 100)
    (batch,) = data.eval_batches(dataset, "val", batch_size=24, image_size=32, crop_fraction=card.crop_fraction)
    assert found.source == "24 photos of synthetic_meals, val"
    for image, label in zip(found.images, found.labels, strict=True):
        (place,) = np.flatnonzero((batch["image"] == image).all(axis=(1, 2, 3)))
        assert batch["label"][place] == label
    few = pictures.of_split(dataset, "train", card, 12)
    assert sorted(few.labels) == list(range(12))  # one of each class


def test_a_folder_is_spread_over_its_folders_and_bad_photos_are_passed_over(tmp_path):
    for name, count in (("a", 5), ("b", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            color = (200 if name == "a" else 20, 100, 0)
            Image.new("RGB", (50, 40), color).save(tmp_path / name / f"{number}.png")
    (tmp_path / "b" / "0.jpg").write_bytes(b"no photo")
    found = pictures.of_folder(tmp_path, tiny_student.card(), 3)
    assert found.images.shape == (3, 32, 32, 3)
    assert sorted(found.images[:, 0, 0, 0].tolist()) == [20, 200, 200]
    assert found.labels is None
    assert found.source == f"3 photos of {tmp_path}"


def test_a_quarter_of_a_folder_is_held_out_of_calibration_and_folders_of_classes_are_labels(tmp_path):
    for name in ("apple", "fig"):
        (tmp_path / name).mkdir()
        for number in range(8):
            Image.new("RGB", (50, 50), (10 * number, 200 if name == "fig" else 0, 0)).save(
                tmp_path / name / f"{number}.png"
            )
    card = tiny_student.card()
    parts = [pictures.of_folder(tmp_path, card, 99, part) for part in (pictures.CALIBRATION, pictures.HELD_OUT)]
    assert [len(part.images) for part in parts] == [12, 4]
    seen = [{tuple(image[0, 0].tolist()) for image in part.images} for part in parts]
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == 16
    for part in parts:
        greens = part.images[:, 0, 0, 1] > 100
        assert part.labels.tolist() == [card.classes.index("fig" if green else "apple") for green in greens]
    assert parts[1].source == f"4 photos of {tmp_path} that it was not calibrated with"
    (tmp_path / "apple" / "0.png").rename(tmp_path / "0.png")
    assert pictures.of_folder(tmp_path, card, 99).labels is None


def test_one_photo_is_not_calibrated_with_and_judged_by(tmp_path):
    Image.new("RGB", (50, 50)).save(tmp_path / "a.png")
    assert len(pictures.of_folder(tmp_path, tiny_student.card(), 9, pictures.CALIBRATION).images) == 1
    with pytest.raises(UserError, match=r"--calibrate=.* has one photo: about a hundred are needed"):
        pictures.of_folder(tmp_path, tiny_student.card(), 9, pictures.HELD_OUT)


def test_folders_without_photos(tmp_path):
    with pytest.raises(UserError, match=r"--calibrate=.*nowhere is not a folder"):
        pictures.of_folder(tmp_path / "nowhere", tiny_student.card(), 3)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"--calibrate=.* has no photos that can be read"):
        pictures.of_folder(tmp_path, tiny_student.card(), 3)


def test_drawn_pictures_have_the_models_size():
    found = pictures.drawn(tiny_student.card())
    assert found.images.shape == (48, 32, 32, 3)
    assert found.images.std() > 10
