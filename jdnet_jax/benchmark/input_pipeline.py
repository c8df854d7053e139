"""Throughput of the training input, stage by stage, and the cores needed to keep an accelerator busy."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.benchmark import accelerators, compilation, machine
from jdnet_jax.data import augment, records
from jdnet_jax.data.datasets import Dataset
from jdnet_jax.data.pipeline import DECODED_TOGETHER
from jdnet_jax.learning import devices, host_batches, run_check
from jdnet_jax.process.errors import UserError

_WINDOWS = 5  # the figure is their median

#: What each stage does beside those before it.
STAGES = {
    "read": "encoded records, in file order; of decoded photos their numbers",
    "decode": "the random crop of each photo, in parallel",
    "augment": "resized and augmented views",
    "batch": "shuffled batches as NumPy arrays: the whole pipeline",
    "transfer": "batches on the devices",
}


class Rate(NamedTuple):
    """A throughput in images a second.

    Attributes:
        by_clock: images a second.
        by_core: images a second of CPU time, of all threads of the process.
    """

    by_clock: float
    by_core: float


def measure(config: ConfigDict, seconds: float, device: accelerators.Device | None, classes: int) -> dict[str, Any]:
    """Images a second of each stage of `STAGES`, everything before it included.

    Args:
        config: a run's; its dataset is prepared where that is still to do.
        seconds: how long each stage is measured, after a warm-up of a fifth of that.
        device: an accelerator that the input is to feed, whose compiler is asked, see `compilation`; None for none.
        classes: number of classes of the networks that are compiled for it.

    Returns:
        `{"dataset", "image_size", "batch_size", "machine", "cache", "images_per_second": {stage: median over windows},
        "images_per_cpu_second": likewise}`, and for a device `feeds`: its name, the `images_per_second` of all its
        chips at most, and the `cores` that the whole pipeline needs for them.

    Raises:
        UserError: a mistake in the config, the data cannot be had, the step does not compile for the device, or its
            compiler is not installed.
    """
    run_check.check(config, weights=False)
    wanted = _wanted(config, device, classes) if device else 0.0
    dataset = data.with_decoded(data.prepare(config.dataset), config)
    rates = {name: _rate(_STREAMS[name](dataset, config), seconds) for name in STAGES}
    result = {
        "dataset": dataset.protocol,
        "image_size": config.image_size,
        "batch_size": config.batch_size,
        "cache": config.dataset.cache,
        "machine": {**machine.describe(), "tensorflow": tf.__version__},
        "images_per_second": {name: rate.by_clock for name, rate in rates.items()},
        "images_per_cpu_second": {name: rate.by_core for name, rate in rates.items()},
    }
    if device:
        cores = wanted / rates["batch"].by_core
        result["feeds"] = {"device": device.name, "images_per_second": wanted, "cores": cores}
    return result


def _wanted(config: ConfigDict, device: accelerators.Device, classes: int) -> float:
    """Images a second that all chips of a device can take in at most, by the roofline of the train step."""
    step = compilation.measure(config, device, classes, ("train_step",))["steps"]["train_step"]
    if not step["compiles"]:
        raise UserError(f"--device={device.name}: the train step does not compile: {step['why']}")
    least = max(step["roofline"]["arithmetic"], step["roofline"]["bandwidth"])
    return device.count * step["images"] / least


def table(result: dict[str, Any]) -> str:
    """The result of `measure` as text."""
    rates, by_core = result["images_per_second"], result["images_per_cpu_second"]
    where = result["machine"]
    lines = [
        result["dataset"],
        f"{result['image_size']} px, batch {result['batch_size']}; {where['processor']}, {where['cpus']} CPUs, "
        f"{where['devices']} x {where['device']}, TensorFlow {where['tensorflow']}",
    ]
    lines += [
        f"  {name:<9}{rates[name]:>9,.0f} images/s {by_core[name]:>9,.0f} a second of CPU time   {what}"
        for name, what in STAGES.items()
    ]
    lines.append(f"  the whole pipeline runs at {rates['batch'] / rates['decode']:.0%} of decoding alone")
    if "feeds" in result:
        feeds = result["feeds"]
        lines.append(
            f"  {feeds['device']} takes in {feeds['images_per_second']:,.0f} images/s at most, by its compiler: "
            f"{math.ceil(feeds['cores'])} of these cores feed it"
        )
    return "\n".join(lines)


def _rate(stream: Iterator[int], seconds: float) -> Rate:
    """Medians over windows of the images a second that a stream of counts brings."""
    _count(stream, seconds / _WINDOWS)  # warm-up
    windows = [_count(stream, seconds / _WINDOWS) for _ in range(_WINDOWS)]
    return Rate(*map(statistics.median, zip(*windows, strict=True)))


def _count(stream: Iterator[int], seconds: float) -> Rate:
    began, used, images = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        images += next(stream)
    return Rate(images / elapsed, images / max(time.process_time() - used, 1e-9))


def _read(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    return _counts(dataset, config, lambda photo, key: tf.size(photo))


def _decode(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    def corner(photo: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        crop = augment.random_crop(photo, key, config.image_size, config.augment, crop_of=_crop_of(dataset))
        return crop[0, 0, 0]

    return _counts(dataset, config, corner)


def _augment(dataset: Dataset, config: ConfigDict) -> Iterator[int]:
    def corner(photo: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        view = augment.random_view(
            photo, key, config.image_size, config.augment, fit=config.fit, crop_of=_crop_of(dataset)
        )
        return view[0, 0, 0]

    return _counts(dataset, config, corner)


def _crop_of(dataset: Dataset) -> augment.Crop:
    return augment.crop_encoded if dataset.decoded is None else dataset.decoded.crop


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

    decoded = dataset.decoded

    def numbers(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        photos = records.parse(record)[0] if decoded is None else tf.gather(decoded.places, index)
        keys = tf.stack([tf.fill(tf.shape(index), tf.constant(config.seed, tf.int64)), index], 1)
        return tf.map_fn(lambda photo: tf.cast(number(*photo), tf.int32), (photos, keys), fn_output_signature=tf.int32)

    stream = (dataset.records["train"] if decoded is None else decoded.numbered()).repeat()
    stream = stream.batch(DECODED_TOGETHER).map(numbers, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return map(len, stream.prefetch(2).as_numpy_iterator())


_STREAMS: dict[str, Callable[[Dataset, ConfigDict], Iterator[int]]] = {
    "read": _read,
    "decode": _decode,
    "augment": _augment,
    "batch": _batch,
    "transfer": _transfer,
}
