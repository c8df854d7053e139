from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from jdnet_jax.data import Dataset, records
from tests.data.tiny import TINY_SIZES, TinyPhotos


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Dataset:
    builder = TinyPhotos(data_dir=tmp_path_factory.mktemp("tiny"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return Dataset(
        name="tiny_photos",
        class_names=("a", "b", "c", "d"),
        sizes=TINY_SIZES,
        splits={role: role for role in TINY_SIZES},
        builder=builder,
        records={role: records.read(builder, role) for role in TINY_SIZES},
        protocol="",
        shuffle_buffer=1024,
    )


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """An empty TFDS data directory of the test's own."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"
