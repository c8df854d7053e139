"""What a check finds, by the hand-made folders of `image_folder`'s tests."""

import shutil

import pytest

from jdnet_jax.check import folder, page
from jdnet_jax.config import default
from jdnet_jax.data import folder_examination
from jdnet_jax.process.errors import UserError
from tests.data.conftest import store as store
from tests.data.test_image_folder import make_classes, write

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def photos(tmp_path):
    return make_classes(tmp_path / "photos", apple=20, pear=10, plum=3)


def config_of(root, **options):
    config = default()
    config.dataset.name, config.dataset.data_dir, config.dataset.options = "image_folder", str(root), options
    config.image_size, config.batch_size = 16, 8
    return config


def named(found):
    return {finding.what: finding.names for finding in found.findings}


def test_counts_are_those_of_the_split_that_training_makes(photos):
    found = folder.look(config_of(photos))
    assert found.counts["apple"] == {"train": 16, "val": 2, "test": 2}
    assert found.counts["plum"] == {"train": 1, "val": 1, "test": 1}
    for split, size in found.dataset.sizes.items():
        assert sum(row[split] for row in found.counts.values()) == size
    (imbalance,) = (finding.what for finding in found.findings)
    assert imbalance == "imbalance: apple has 16 photos to train on, 16 times as many as plum"
    lines = folder.text(found)
    assert lines[0] == "33 photos of 3 classes"
    assert lines[2].split() == ["plum", "1", "1", "1"]  # the smallest first
    assert lines[5].split() == ["all", "25", "4", "4"]
    assert "smallest class: plum, with 1 photo to train on" in lines
    assert "sizes: 32 x 24 to 32 x 24 pixels; half of the photos have 24 or more on their shorter side" in lines
    assert any(
        line.startswith("few for a test: train with --folds=5, which tests on each photo once") for line in lines
    )
    # Wilson's interval of 4 of 4: 4 / (4 + 1.96^2) = 0.510.
    assert (
        "test: with 4 of 4 photos right the accuracy (95 % interval) is 51 to 100 %, with 3 right it is 30.1 to 95.4 %"
    ) in lines
    assert lines[-1].startswith(
        "imbalance: apple has 16 photos to train on, 16 times as many as plum (small classes may"
    )


def test_where_nothing_is_suspicious_that_is_said(tmp_path):
    config = config_of(make_classes(tmp_path / "photos", apple=10, pear=10))
    found = folder.look(config)
    assert not found.findings
    assert folder.text(found)[-1] == "nothing suspicious was found"
    page.write(found, config, tmp_path / "check.html")
    assert "Nothing suspicious." in (tmp_path / "check.html").read_text(encoding="utf-8")


def test_what_is_suspicious_is_named(photos):
    (photos / "apple" / "bad.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("of no class")
    (photos / "quince").mkdir()
    write(photos, "pear/same.jpg", 1)
    shutil.copy(photos / "pear" / "same.jpg", photos / "plum" / "same.jpg")
    found = folder.look(config_of(photos))
    names = named(found)
    assert names["1 photo cannot be read"] == ("apple/bad.jpg (truncated or not an image)",)
    (several,) = names["1 photo under several classes"]
    assert {"pear/same.jpg", "plum/same.jpg"} <= set(several.split(" = "))
    assert names["1 other file left out"] == ("notes.txt",)
    assert names["1 empty class folder left out"] == ("quince",)
    # The same photo as apple's first, which stays in train as those do: three pairs.
    (pairs,) = (names[what] for what in names if what.endswith("pairs of nearly the same photo in one split"))
    assert len(pairs) == 3
    assert any("apple/000.jpg (train)" in pair and "pear/same.jpg (train)" in pair for pair in pairs)


def test_copies_across_a_division_that_the_person_made(tmp_path):
    root = make_classes(tmp_path / "photos" / "train", apple=4, pear=4).parent
    shutil.copytree(root / "train", root / "test")
    found = folder.look(config_of(root))
    (pairs,) = (names for what, names in named(found).items() if what.endswith("in two splits"))
    assert len(pairs) == 8
    assert any(pair.startswith("train/apple/000.jpg (") and "test/apple/000.jpg (test)" in pair for pair in pairs)


def test_small_photos_are_named_with_their_size(photos):
    config = config_of(photos)
    config.image_size = 32
    names = named(folder.look(config))["33 photos to be enlarged"]
    assert names[0] == "apple/000.jpg (32 x 24)"


def test_what_was_looked_at_is_not_read_again_to_be_prepared(photos, monkeypatch):
    calls = []
    fingerprint = folder_examination.fingerprint
    monkeypatch.setattr(folder_examination, "fingerprint", lambda listing: calls.append(1) or fingerprint(listing))
    folder.look(config_of(photos))
    assert len(calls) == 1


def test_another_dataset_is_refused():
    with pytest.raises(UserError, match=r"dataset.name of this config is 'synthetic_meals'"):
        folder.look(default())


def test_the_page_shows_the_first_batch_with_its_labels(photos, tmp_path):
    config = config_of(photos)
    found = folder.look(config)
    page.write(found, config, tmp_path / "check.html")
    text = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") == 8
    assert text.count("<figcaption>apple</figcaption>") + text.count("<figcaption>pear</figcaption>") >= 7
    assert "Imbalance: apple has 16 photos to train on, 16 times as many as plum" in text


def test_mixtures_say_their_shares(photos, tmp_path):
    config = config_of(photos)
    config.augment.mixup = 1.0
    page.write(folder.look(config), config, tmp_path / "check.html")
    assert "% apple, " in (tmp_path / "check.html").read_text(encoding="utf-8")
