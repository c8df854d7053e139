"""Throughput of the training input, stage by stage."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.benchmark import machine
from jdnet_jax.data import augment, records
from jdnet_jax.data.datasets import Dataset
from jdnet_jax.data.pipeline import DECODED_TOGETHER
from jdnet_jax.learning import devices, host_batches, run_check

_WINDOWS = 5  # the figure is their median

#: What each stage does beside those before it.
STAGES = {
    "read": "encoded records, in file order",
    "decode": "the random crop of each photo, decoded in parallel",
    "augment": "resized and augmented views",
    "batch": "shuffled batches as NumPy arrays: the whole pipeline",
    "transfer": "batches on the devices",
}


def measure(config: ConfigDict, seconds: float) -> dict[str, Any]:
    """Images a second of each stage of `STAGES`, everything before it included.

    Args:
        config: a run's; its dataset is prepared where that is still to do.
        seconds: how long each stage is measured, after a warm-up of a fifth of that.

    Returns:
        `{"dataset", "image_size", "batch_size", "machine", "images_per_second": {stage: median over windows}}`.

    Raises:
        UserError: a mistake in the config, or the data cannot be had.
    """
    run_check.check(config, weights=False)
    dataset = data.prepare(config.dataset)
    return {
        "dataset": dataset.protocol,
        "image_size": config.image_size,
        "batch_size": config.batch_size,
        "machine": {**machine.describe(), "tensorflow": tf.__version__},
        "images_per_second": {name: _rate(_STREAMS[name](dataset, config), seconds) for name in STAGES},
    }


def table(result: dict[str, Any]) -> str:
    """The result of `measure` for a person to read."""
    rates = result["images_per_second"]
    where = result["machine"]
    lines = [
        result["dataset"],
        f"{result['image_size']} px, batch {result['batch_size']}; {where['processor']}, {where['cpus']} CPUs, "
        f"{where['devices']} x {where['device']}, TensorFlow {where['tensorflow']}",
    ]
    lines += [f"  {name:<9}{rates[name]:>9,.0f} images/s   {what}" for name, what in STAGES.items()]
    lines.append(f"  the whole pipeline runs at {rates['batch'] / rates['decode']:.0%} of decoding alone")
    return "\n".join(lines)


def _rate(stream: Iterator[int], seconds: float) -> float:
    """Median over windows of the images a second that a stream of counts brings."""
    _count(stream, seconds / _WINDOWS)  # warm-up
    return statistics.median(_count(stream, seconds / _WINDOWS) for _ in range(_WINDOWS))


def _count(stream: Iterator[int], seconds: float) -> float:
    began, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        images += next(stream)
    return images / elapsed


def _read(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    return _counts(dataset, config, lambda encoded, key: tf.strings.length(encoded))


def _decode(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    return _counts(
        dataset,
        config,
        lambda encoded, key: augment.random_crop(encoded, key, config.image_size, config.augment)[0, 0, 0],
    )


def _augment(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    return _counts(
        dataset,
        config,
        lambda encoded, key: augment.random_view(encoded, key, config.image_size, config.augment)[0, 0, 0],
    )


def _batches(dataset: Dataset, config: ConfigDict) -> Iterator[Mapping[str, np.ndarray]]:
    return host_batches.training(dataset, config, seed=config.seed)


def _batch(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    return (len(batch["label"]) for batch in _batches(dataset, config))


def _transfer(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    for batch in _batches(dataset, config):
        arrays = {name: values for name, values in batch.items() if name != "index"}
        jax.block_until_ready(devices.split(arrays, config.grad_accum))
        yield len(batch["label"])


def _counts(dataset: Dataset, config: ConfigDict, number: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Iterator[int]:
    """Batch sizes of a stream that computes one number for each photo, which spares the hand-over of pixels."""

    def numbers(index: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        encoded, _ = records.parse(serialized)
        keys = tf.stack([tf.fill(tf.shape(index), tf.constant(config.seed, tf.int64)), index], 1)
        return tf.map_fn(lambda photo: tf.cast(number(*photo), tf.int32), (encoded, keys), fn_output_signature=tf.int32)

    stream = dataset.records["train"].repeat()
    stream = stream.batch(DECODED_TOGETHER).map(numbers, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return map(len, stream.prefetch(2).as_numpy_iterator())


_STREAMS: dict[str, Callable[[Dataset, ConfigDict], Iterator[int]]] = {
    "read": _read,
    "decode": _decode,
    "augment": _augment,
    "batch": _batch,
    "transfer": _transfer,
}
