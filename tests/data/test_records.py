from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

from jdnet_jax.data import records
from tests.data.tiny import TINY_SIZES


def positions_and_serialized(tiny, split):
    return list(records.read(tiny.builder, split).as_numpy_iterator())


def test_a_split_string_takes_its_part_of_the_files(tiny):
    """`train[3:7]+test[:2]` in file order, against TFDS's own reading."""
    split = "train[3:7]+test[:2]"
    found = positions_and_serialized(tiny, split)
    assert [position for position, _ in found] == list(range(6))
    images, labels = records.parse(tf.constant([serialized for _, serialized in found]))
    decoders = {"image": tfds.decode.SkipDecoding()}
    expected = list(tiny.builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator())
    assert images.numpy().tolist() == [record["image"] for record in expected]
    assert labels.numpy().tolist() == [record["label"] for record in expected]
    assert labels.dtype == tf.int32


def test_stored_bytes_is_the_share_of_the_files(tiny):
    size = sum(file.stat().st_size for file in Path(tiny.builder.data_path).glob("*train.tfrecord*"))
    assert records.stored_bytes(tiny.builder, "train") == size
    for part, taken in (("train[3:7]", 4), ("train[10:]", 3)):
        assert records.stored_bytes(tiny.builder, part) == round(size * taken / TINY_SIZES["train"])


def test_room_is_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(records, "_free_in_machine", lambda: 10 * 10**9)
    monkeypatch.setattr(records, "_free_in_container", lambda: float("inf"))
    assert records.room_for_cache() == 8 * 10**9
    monkeypatch.setattr(records, "_free_in_container", lambda: 10**9)
    assert records.room_for_cache() == 8 * 10**8


def test_free_memory_of_this_machine_is_plausible():
    assert 10**7 < records._free_in_machine() < 10**14


def test_a_containers_limit_counts(tmp_path):
    assert records._free_in_container(tmp_path) == float("inf")  # no such files: no limit
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("500\n")
    assert records._free_in_container(tmp_path) == float("inf")
    (tmp_path / "memory.max").write_text("2000\n")
    assert records._free_in_container(tmp_path) == 1500
