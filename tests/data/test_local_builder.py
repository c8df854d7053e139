import io

import pytest
import tensorflow_datasets as tfds

from jdnet_jax.data.local_builder import LocalBuilder, with_progress
from jdnet_jax.process.errors import UserError
from tests.data.test_photo_file import oriented
from tests.data.tiny import encode, smooth_photo


class Photos(LocalBuilder, skip_registration=True):
    """Takes the photos of one folder."""

    VERSION = tfds.core.Version("1.0.0")
    folder = None

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
        return self.dataset_info_from_configs(features=features, description="")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        files = sorted(self.folder.iterdir())
        for file, encoded in zip(files, self.records(files), strict=True):
            yield file.name, {"image": io.BytesIO(encoded)}


@pytest.fixture
def builder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(Photos, "folder", tmp_path / "photos")
    return Photos(data_dir=tmp_path / "tfds")


def test_records_are_what_photo_file_makes_of_the_files(builder):
    (builder.folder / "plain.jpg").write_bytes(encode(smooth_photo(0, 20, 30), "JPEG"))
    (builder.folder / "turned.jpg").write_bytes(oriented("JPEG", 6))
    builder.download_and_prepare()
    shapes = sorted(record["image"].shape for record in tfds.as_numpy(builder.as_dataset(split="train")))
    assert shapes == [(20, 30, 3), (32, 24, 3)]


def test_a_file_that_broke_meanwhile(builder):
    (builder.folder / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"broken.jpg changed while it was read \(truncated or not an image\)"):
        builder.download_and_prepare()
    assert not Photos(data_dir=builder.data_dir).is_prepared()


def test_the_public_bucket_is_not_asked(builder, monkeypatch):
    def ask(name):
        raise AssertionError(name)

    monkeypatch.setattr("tensorflow_datasets.core.utils.gcs_utils.is_dataset_on_gcs", ask)
    (builder.folder / "plain.jpg").write_bytes(encode(smooth_photo(0, 20, 30), "JPEG"))
    builder.download_and_prepare()
    assert builder.info.splits["train"].num_examples == 1


def test_progress_is_told_every_thousand_items(capfd):
    assert list(with_progress(range(2500), "reading here")) == list(range(2500))
    assert capfd.readouterr().err.splitlines() == [
        f"reading here, once: photo {number} of 2500" for number in (0, 1000, 2000)
    ]
