"""What a prepared dataset looks like after accidents; each is told in one line that says how it is made anew."""

import contextlib
import io
import random
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from jdnet_jax import data
from jdnet_jax.data import builders, chosen, photo_limits, prepared
from jdnet_jax.files import checksums
from jdnet_jax.process.errors import UserError
from tests.data.tiny import TINY_SIZES, TinyPhotos, dataset_config, encode, smooth_photo


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The data directory of a dataset that `data.prepare` prepared."""
    place = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(place))
        patch.setitem(builders.OURS, "tiny_photos", builders.Ours(lambda _, store: TinyPhotos(data_dir=store), ()))
        data.prepare(dataset_config("tiny_photos"))
    return place


@pytest.fixture(params=["sealed", "without checksums"])
def folder(request, sound, tmp_path, monkeypatch):
    """A copy of it, as this version prepares it, and as an earlier one or TFDS itself did."""
    monkeypatch.setitem(builders.OURS, "tiny_photos", builders.Ours(lambda _, store: TinyPhotos(data_dir=store), ()))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "store"))
    shutil.copytree(sound, tmp_path / "store")
    folder = tmp_path / "store" / "tiny_photos" / "1.0.0"
    if request.param != "sealed":
        (folder / checksums.NAME).unlink()
    return folder


def file_of(folder, split):
    (file,) = folder.glob(f"*-{split}.tfrecord-*")
    return file


def use():
    """Prepares, and reads all records once."""
    dataset = data.prepare(dataset_config("tiny_photos"))
    for role in dataset.sizes:
        chosen.spread_over_classes(dataset, role, 1, seed=0)
    return dataset


def complaint(folder):
    with pytest.raises(UserError) as e:
        use()
    message = str(e.value)
    assert message.endswith(f"delete the folder {folder}, and the same command prepares it anew")
    assert "\n" not in message
    return message


def test_a_sound_one(folder):
    assert use().sizes == TINY_SIZES


def test_a_missing_file(folder):
    file_of(folder, "test").unlink()
    assert f"{file_of(folder, 'train').name[:12]}" in complaint(folder)


@pytest.mark.parametrize("kept", [0, 1, 20, -5])
def test_a_truncated_file(folder, kept):
    file = file_of(folder, "val")
    file.write_bytes(file.read_bytes()[:kept])
    assert file.name in complaint(folder)


def test_a_flipped_bit(folder):
    """In the length of a record, in the record, in the checksums."""
    file = file_of(folder, "test")
    content = file.read_bytes()
    for position in (2, 9, 300, len(content) - 2):
        changed = bytearray(content)
        changed[position] ^= 4
        file.write_bytes(changed)
        assert f"{file} is damaged at record" in complaint(folder)


def test_one_record_more(folder):
    file = file_of(folder, "test")
    with tf.io.TFRecordWriter(str(folder / "more")) as writer:
        writer.write(b"record")
    file.write_bytes(file.read_bytes() + (folder / "more").read_bytes())
    (folder / "more").unlink()
    assert f"{file} holds 8 records, but dataset_info.json lists 7 records" in complaint(folder)


def test_train_in_the_place_of_test(folder):
    shutil.copy(file_of(folder, "train"), file_of(folder, "test"))
    assert "holds 13 records, but dataset_info.json lists 7 records" in complaint(folder)


def test_other_records_of_the_same_number(folder):
    with tf.io.TFRecordWriter(str(file_of(folder, "test"))) as writer:
        for _ in range(TINY_SIZES["test"]):
            writer.write(b"record")
    assert "the records of test in" in complaint(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff\xfe\x00", b'{"name": "tiny_photos", "ver'])
def test_a_damaged_description(folder, content):
    (folder / "dataset_info.json").write_bytes(content)
    assert "dataset_info.json" in complaint(folder)


def test_no_description(folder):
    (folder / "dataset_info.json").unlink()
    assert "dataset_info.json is missing" in complaint(folder)


@pytest.mark.parametrize(("old", "new"), [('"7"', '"6"'), ('"7"', '"-7"'), ('"4274"', '"4273"'), ("tfrecord", "tfrec")])
def test_a_changed_description(folder, old, new):
    text = (folder / "dataset_info.json").read_text()
    assert old in text
    (folder / "dataset_info.json").write_text(text.replace(old, new, 1))
    complaint(folder)


def test_flips_at_random(folder):
    """Of any file: none goes unnoticed where there are checksums, and none is a traceback."""
    rng = random.Random(0)
    files = sorted(file for file in folder.iterdir())
    sealed = (folder / checksums.NAME).exists()
    for _ in range(30):
        file = rng.choice(files)
        before = file.read_bytes()
        changed = bytearray(before)
        changed[rng.randrange(len(before))] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        if sealed:
            complaint(folder)
        else:
            with contextlib.suppress(UserError):
                use()
        file.write_bytes(before)
    use()


def test_batches_of_damaged_records(folder):
    dataset = use()
    content = bytearray(file_of(folder, "test").read_bytes())
    content[300] ^= 4
    file_of(folder, "test").write_bytes(content)
    with pytest.raises(UserError, match="is damaged at record 0"):
        list(data.eval_batches(dataset, "test", batch_size=4, image_size=32, crop_fraction=0.875))


class StripPhotos(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """One of TFDS's, which looks at no photo: the fourth is a strip."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(num_classes=4),
            "path": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), description="A strip.")

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split == "val") for split in TINY_SIZES}

    def _generate_examples(self, with_strip):
        file = io.BytesIO()
        Image.fromarray(np.zeros((1, 20_000, 3), np.uint8)).save(file, "PNG")
        for i in range(4):
            photo = encode(smooth_photo(i, 20, 30), "PNG") if i < 3 or not with_strip else file.getvalue()
            yield i, {"image": io.BytesIO(photo), "label": i, "path": f"number {i}.png"}


def test_a_strip_in_the_records_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(builders.OURS, "strips", builders.Ours(lambda _, store: StripPhotos(data_dir=store), ()))
    dataset = data.prepare(dataset_config("strips"))
    for fit in ("crop", "pad"):
        batches = data.eval_batches(dataset, "val", batch_size=4, image_size=224, crop_fraction=0.875, fit=fit)
        message = r"the photo of record \d, number 3.png, in \S+val\S+ cannot be used \(a strip of 20000 x 1 pixels\)"
        with pytest.raises(UserError, match=message):
            list(batches)


def test_photos_that_tfds_prepared_are_looked_at_once(tmp_path, monkeypatch):
    builder = StripPhotos(data_dir=str(tmp_path))
    builder.download_and_prepare()
    message = r"the photo of record \d in \S+val\S+ cannot be used \(a strip of 20000 x 1 pixels\): take it out of the"
    for _ in range(2):
        with pytest.raises(UserError, match=message):
            prepared.check_photos(builder)
    looked_at = []
    monkeypatch.setattr(photo_limits, "check", looked_at.append)
    prepared.check_photos(builder)
    assert len(looked_at) == 12
    prepared.check_photos(builder)
    assert len(looked_at) == 12
    prepared.check(builder)  # what remembers it is no damage
    file = next(tmp_path.rglob("*val.tfrecord*"))
    file.write_bytes(file.read_bytes() * 2)
    prepared.check_photos(builder)
    assert len(looked_at) > 24
