"""Readers for the records of a prepared TFDS dataset: in file order, parsed many at a time.

TFDS's reader parses records one by one, which takes longer than reading them.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from jaxtyping import Int

_PARSED_TOGETHER = 256
_CACHE_SHARE = 0.8  # of the memory that is free: training needs some too


def read(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    """The split's records, one file after the other: (int64 position, serialized `tf.train.Example`).

    Args:
        builder: prepared, as TFRecord files.
        split: a TFDS split string that holds records.
    """
    files = [
        tf.data.TFRecordDataset(part.filename).skip(part.skip).take(part.take)
        for part in builder.info.splits[split].file_instructions
    ]
    return functools.reduce(tf.data.Dataset.concatenate, files).enumerate()


def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, Int[tf.Tensor, " n"]]:
    """Encoded photos (string [n]) and labels (int32 [n]) of n serialized examples."""
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    parsed = tf.io.parse_example(serialized, features)
    return parsed["image"], tf.cast(parsed["label"], tf.int32)


def parse_masks(serialized: tf.Tensor) -> tf.Tensor:
    """Encoded masks (string [n]) of n serialized examples of a dataset that has them."""
    return tf.io.parse_example(serialized, {"mask": tf.io.FixedLenFeature([], tf.string)})["mask"]


def labels(stream: tf.data.Dataset) -> Int[np.ndarray, " n"]:
    """The labels of all records of a stream from `read`; no photo is decoded."""
    parsed = stream.map(lambda _, record: record).batch(_PARSED_TOGETHER).map(lambda batch: parse(batch)[1])
    return np.concatenate(list(parsed.as_numpy_iterator()))


def stored_bytes(builder: tfds.core.DatasetBuilder, split: str) -> int:
    """Bytes of the split's records; of a file that it uses in part, the same part of the file's size."""
    return sum(
        round(tf.io.gfile.stat(part.filename).length * _taken(part) / part.examples_in_shard)
        for part in builder.info.splits[split].file_instructions
    )


def overlap(builder: tfds.core.DatasetBuilder, one: str, other: str) -> bool:
    """Whether two TFDS split strings have records in common."""
    return any(
        a.filename == b.filename and a.skip < b.skip + _taken(b) and b.skip < a.skip + _taken(a)
        for a in builder.info.splits[one].file_instructions
        for b in builder.info.splits[other].file_instructions
    )


def room_for_cache() -> int:
    """Bytes that cached records may take: a share of the free memory, of this container's if it has a limit."""
    return int(_CACHE_SHARE * min(_free_in_machine(), _free_in_container()))


def _taken(part: tfds.core.FileInstruction) -> int:
    return part.examples_in_shard - part.skip if part.take < 0 else part.take


def _free_in_machine() -> float:
    """Bytes that Linux could allocate without swapping; elsewhere the pages that are free now."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_in_container(group: Path = Path("/sys/fs/cgroup")) -> float:
    """Limit minus use of the process's control group (version 2); infinite without a limit."""
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return float("inf") if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return float("inf")
