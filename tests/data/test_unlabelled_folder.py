import dataclasses

import pytest

from jdnet_jax import data
from jdnet_jax.data import records
from jdnet_jax.process.errors import UserError
from tests.data.tiny import dataset_config, encode, smooth_photo

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def folder(tmp_path):
    """Three photos at several depths, and what is none."""
    root = tmp_path / "photos"
    for number, name in enumerate(("a.jpg", "b/c.jpeg", "b/d/e.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encode(smooth_photo(number, 16, 12), "PNG" if name.endswith("png") else "JPEG"))
    (root / "notes.txt").write_text("none")
    (root / ".hidden.jpg").write_bytes(b"none")
    return root


def with_unlabelled(tiny, folder, share=0.25):
    config = dataset_config("tiny_photos", unlabelled=str(folder), unlabelled_share=share)
    return data.with_unlabelled(tiny, config)


def test_all_photos_of_a_folder_without_labels(tiny, folder):
    found = with_unlabelled(tiny, folder).unlabelled
    assert (found.size, found.share) == (3, 0.25)
    assert found.protocol.startswith("0.25 of each batch from unlabelled_folder/")
    assert found.protocol.endswith(": 3 photos without labels, 0 unreadable photos skipped")
    assert len(list(found.records)) == 3
    _, serialized = next(iter(found.records))
    assert records.parse(serialized[None])[1].numpy().tolist() == [-1]


def test_a_dataset_without_such_a_folder_stays_as_it_is(tiny):
    assert data.with_unlabelled(tiny, dataset_config("tiny_photos")) is tiny
    assert with_unlabelled(tiny, "") is tiny


def test_another_photo_is_another_protocol(tiny, folder):
    before = with_unlabelled(tiny, folder).unlabelled.protocol
    assert with_unlabelled(tiny, folder).unlabelled.protocol == before
    (folder / "a.jpg").write_bytes(encode(smooth_photo(9, 16, 12), "JPEG"))
    assert with_unlabelled(tiny, folder).unlabelled.protocol != before


def test_a_broken_photo_is_skipped(tiny, folder, caplog):
    (folder / "b" / "broken.jpg").write_bytes(b"no photo")
    with caplog.at_level("WARNING"):
        found = with_unlabelled(tiny, folder).unlabelled
    assert found.size == 3
    assert "1 unreadable photo skipped" in found.protocol
    assert "broken.jpg" in caplog.text


def test_a_folder_without_photos(tiny, folder, tmp_path):
    with pytest.raises(UserError, match=r"dataset.unlabelled='.*nowhere' is not a folder: name one of photos, or"):
        with_unlabelled(tiny, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    with pytest.raises(UserError, match=r"dataset.unlabelled='.*empty' holds no photos: name a folder of photos, or l"):
        with_unlabelled(tiny, tmp_path / "empty")


def test_broken_photos_alone(tiny, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"none")
    with pytest.raises(UserError, match=r"1 of the 1 photos in .*broken cannot be read, more than 50%"):
        with_unlabelled(tiny, tmp_path / "broken")


def test_the_dataset_is_otherwise_the_same(tiny, folder):
    found = with_unlabelled(tiny, folder)
    assert dataclasses.replace(found, unlabelled=None) == tiny
