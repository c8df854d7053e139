import dataclasses
import itertools
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from jdnet_jax import data
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.data import augment, datasets, decoded, records
from jdnet_jax.process.errors import UserError
from tests.data.tiny import TINY_SIZES, augment_config, dataset_config

N = TINY_SIZES["train"]
LARGE, SMALL = 24, 7  # views: of the first the photos, 20 to 23 pixels high, are kept as they are


def run_config(image_size):
    config = config_lib.default()
    config.image_size = image_size
    config.dataset.cache = "decoded"
    return config


@pytest.fixture
def place(tiny, tmp_path, monkeypatch):
    """The tiny dataset with its decoded photos in a folder of the test's own."""
    monkeypatch.setattr(
        decoded, "folder_for", lambda builder, split, side: tmp_path / f"{split.replace(':', '-')}-{side}"
    )
    return tmp_path


def stream(dataset, steps, image_size=LARGE, *, start_step=0, rows=None, batch_size=4, **changes):
    batches = data.train_batches(
        dataset,
        batch_size=batch_size,
        image_size=image_size,
        seed=7,
        start_step=start_step,
        augment=augment_config(**changes),
        rows=rows,
    )
    batches = list(itertools.islice(batches, steps))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_photos_are_decoded_to_a_little_more_than_the_view(tiny, place):
    found = data.with_decoded(tiny, run_config(SMALL)).decoded
    assert decoded.side_for(224) == 256
    begins, shapes = found.places.numpy()[:, 0], found.places.numpy()[:, 1:]
    assert shapes.min(1).tolist() == [decoded.side_for(SMALL)] * N
    encoded, labels = records.parse(tf.stack([record for _, record in tiny.records["train"]]))
    np.testing.assert_array_equal(found.labels, labels)
    for i in range(N):
        height, width = shapes[i]
        pixels = found.pixels.numpy()[begins[i] :][: height * width * 3].reshape(height, width, 3)
        photo = tf.cast(tf.io.decode_image(encoded[i], expand_animations=False), tf.float32)
        expected = tf.image.resize(photo, (height, width), antialias=True).numpy()
        assert np.abs(pixels - expected).max() <= (6 if tf.io.is_jpeg(encoded[i]) else 0.51)  # another transform


def test_of_photos_that_are_kept_as_they_are_the_views_are_those_of_the_records(tiny, place):
    known = data.with_decoded(tiny, run_config(LARGE))
    ours, theirs = stream(known, 10), stream(tiny, 10)
    for name in ("index", "label"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    lossless = ours["label"] % 2 == 0  # the others are JPEGs
    np.testing.assert_array_equal(ours["image"][lossless], theirs["image"][lossless])
    assert np.abs(ours["image"].astype(int) - theirs["image"]).mean() < 2  # JPEG's quicker transform


@pytest.mark.parametrize("changes", [{}, {"repeats": 2}, {"mixup": 0.8, "cutmix": 1.0}])
def test_a_run_goes_on_with_the_same_bits(tiny, place, changes):
    known = data.with_decoded(tiny, run_config(SMALL))
    whole = stream(known, 9, SMALL, **changes)
    for start in (4, 7):
        resumed = stream(data.with_decoded(tiny, run_config(SMALL)), 2, SMALL, start_step=start, **changes)
        for name in whole:
            np.testing.assert_array_equal(resumed[name], whole[name][4 * start : 4 * start + 8])
    own = stream(known, 9, SMALL, rows=[2, 3], **changes)
    for name in whole:
        np.testing.assert_array_equal(
            own[name], whole[name].reshape(9, 4, *whole[name].shape[1:])[:, 2:].reshape(own[name].shape)
        )


@pytest.mark.parametrize("changes", [{}, {"repeats": 2}, {"mixup": 0.8}])
def test_classes_are_balanced_alike_with_and_without_the_cache(tiny, place, changes):
    """Of train four photos of class 0 and one each of classes 1 and 2, which then come twice an epoch."""
    labels = tiny.labels("train")
    kept = [*np.flatnonzero(labels == 0), *(int(np.flatnonzero(labels == label)[0]) for label in (1, 2))]
    records = tiny.records["train"].filter(lambda index, _: tf.reduce_any(index == tf.constant(kept, tf.int64)))
    records = records.map(lambda _, record: record).enumerate()
    sizes = {**tiny.sizes, "train": len(kept)}
    unlike = dataclasses.replace(tiny, records={**tiny.records, "train": records}, sizes=sizes, balance=1.0)
    known = data.with_decoded(unlike, run_config(LARGE))
    assert known.decoded is not None
    ours, theirs = (stream(dataset, 9, batch_size=6, **changes) for dataset in (known, unlike))
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"image"}:  # photos, classes, and where photos are mixed with whom and how much
        np.testing.assert_array_equal(ours[name], theirs[name])
    lossless = ours["label"] % 2 == 0 if "mixup" not in changes else np.zeros(len(ours["label"]), bool)
    np.testing.assert_array_equal(ours["image"][lossless], theirs["image"][lossless])
    assert np.abs(ours["image"].astype(int) - theirs["image"]).mean() < 2  # JPEG's quicker transform
    per_epoch = len(kept) * changes.get("repeats", 1)
    whole = len(ours["label"]) // per_epoch * per_epoch
    for epoch in ours["label"][:whole].reshape(-1, per_epoch):
        assert np.bincount(epoch).tolist() == [per_epoch // 3] * 3
    for start in (1, 5, 8):
        resumed = stream(data.with_decoded(unlike, run_config(LARGE)), 1, batch_size=6, start_step=start, **changes)
        for name in ours:
            np.testing.assert_array_equal(resumed[name], ours[name][6 * start : 6 * start + 6])


def test_they_are_decoded_once(tiny, place, monkeypatch):
    first = data.with_decoded(tiny, run_config(SMALL)).decoded
    monkeypatch.setattr(decoded, "write", lambda *_: pytest.fail("decoded again"))
    again = data.with_decoded(tiny, run_config(SMALL)).decoded
    np.testing.assert_array_equal(again.pixels.numpy(), first.pixels.numpy())
    config = run_config(SMALL)
    for value in (True, False):
        config.dataset.cache = value
        assert data.with_decoded(tiny, config) is tiny


@pytest.mark.parametrize("name", ["pixels.bin", "photos.npz", "SHA256SUMS"])
def test_what_is_damaged_is_decoded_anew(tiny, place, capsys, name):
    first = data.with_decoded(tiny, run_config(SMALL)).decoded.pixels.numpy()
    (file,) = place.rglob(name)
    content = bytearray(file.read_bytes())
    content[10] ^= 1  # of the list: of the first sum
    file.write_bytes(content)
    found = data.with_decoded(tiny, run_config(SMALL)).decoded.pixels.numpy()
    np.testing.assert_array_equal(found, first)
    said = "".join(capsys.readouterr())
    assert f"in {file.parent} {'photos.npz' if name == 'SHA256SUMS' else name} has changed" in said
    assert "the photos are decoded again" in said


def test_another_content_has_another_folder(tiny):
    folder = decoded.folder_for(tiny.builder, "train", 8)
    assert folder.parent.is_dir()
    assert folder == decoded.folder_for(tiny.builder, "train", 8)
    others = {
        decoded.folder_for(tiny.builder, split, side) for split, side in (("train", 9), ("val", 8), ("train[:5]", 8))
    }
    part = tiny.builder.info.splits["train"].file_instructions[0].filename
    status = os.stat(part)
    os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    others.add(decoded.folder_for(tiny.builder, "train", 8))
    assert folder not in others
    assert len(others) == 4


def test_too_little_room_is_one_line(tiny, place, monkeypatch):
    usage = shutil.disk_usage(place)
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(
        UserError, match=r"^config.dataset.cache='decoded': the decoded photos take about 0.00 GB, and "
    ):
        data.with_decoded(tiny, run_config(SMALL))
    assert not any(place.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded.array_file, "write", full)
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        UserError, match=r"could not be written \(No space left on device\): make room, prepare the data"
    ):
        data.with_decoded(tiny, run_config(SMALL))
    assert not any(place.iterdir())


def test_too_little_memory_is_told(tiny, place, monkeypatch, capsys):
    monkeypatch.setattr(records, "room_for_cache", lambda: 0)
    data.with_decoded(tiny, run_config(SMALL))
    assert "the rest is read from the disk" in "".join(capsys.readouterr())


def test_a_photo_that_cannot_be_decoded_is_named(tiny, place):
    example = tf.train.Example()
    example.features.feature["image"].bytes_list.value.append(b"no photo")
    example.features.feature["label"].int64_list.value.append(0)
    stream_of = tf.data.Dataset.from_tensors(example.SerializeToString()).enumerate()
    broken = dataclasses.replace(tiny, records={**tiny.records, "train": stream_of})
    with pytest.raises(UserError, match=r"a record cannot be read \(.*: delete the folder"):
        data.with_decoded(broken, run_config(SMALL))
    assert not any(place.iterdir())


def test_a_view_of_it_is_that_of_its_pixels(tiny, place):
    """The crop is what `crop_window` says, whatever is behind and before the photo in the file."""
    found = data.with_decoded(tiny, run_config(LARGE)).decoded
    key = tf.constant([3, 5], tf.int64)
    draws = tf.random.stateless_uniform([10, 4], key, alg="philox")
    config = augment_config()
    for i in range(N):
        crop, window = found.crop(found.places[i], draws, LARGE, config)
        top, left, height, width = window.numpy()
        begin, rows, columns = found.places[i].numpy()
        photo = found.pixels.numpy()[begin:][: rows * columns * 3].reshape(rows, columns, 3)
        np.testing.assert_array_equal(crop, photo[top : top + height, left : left + width])
        expected = augment.crop_window(tf.constant([rows, columns, 3]), draws, config.crop_scale, config.crop_ratio)
        np.testing.assert_array_equal(window, expected)


def test_only_val_is_kept_encoded(store, monkeypatch):
    kept = []
    monkeypatch.setattr(datasets, "_cached", lambda streams, builder, splits, roles: kept.append(tuple(roles)))
    options = {"counts": (24, 12, 12), "size": 32}
    data.prepare(dataset_config("synthetic_meals", options=options, cache="decoded"))
    data.prepare(dataset_config("synthetic_meals", options=options, cache=True))
    assert kept == [("val",), ("train", "val")]
