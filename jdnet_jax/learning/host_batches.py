"""Batches of the config's dataset on this process, and their transfer to its devices."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.data import Dataset
from jdnet_jax.learning import devices


def training(
    dataset: Dataset, config: ConfigDict, *, seed: int, start_step: int = 0
) -> Iterator[Mapping[str, np.ndarray]]:
    """Endless training batches; see `data.train_batches`.

    Args:
        dataset: the config's dataset, prepared.
        config: config of the run.
        seed: seed of the order and of the augmentation.
        start_step: number of steps already taken.
    """
    return data.train_batches(
        dataset,
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=seed,
        start_step=start_step,
        augment=config.augment,
        fit=config.fit,
        rows=devices.rows(config.batch_size, config.grad_accum).tolist(),
    )


def on_devices(dataset: Dataset, config: ConfigDict, *, seed: int, start_step: int = 0) -> Iterator[devices.Batch]:
    """The batches of `training`, split over the devices; the next one is transferred during a step."""
    queue: deque[devices.Batch] = deque()
    for batch in training(dataset, config, seed=seed, start_step=start_step):
        examples = {name: values for name, values in batch.items() if name != "index"}
        queue.append(devices.split(examples, config.grad_accum))
        if len(queue) == 2:
            yield queue.popleft()


def evaluation(dataset: Dataset, config: ConfigDict, role: str) -> Iterator[Mapping[str, np.ndarray]]:
    """The batches of a split, such as `val`, evenly divided over the devices; see `data.eval_batches`."""
    size = config.eval_batch_size or config.batch_size
    size = math.ceil(size / jax.device_count()) * jax.device_count()
    return data.eval_batches(
        dataset,
        role,
        batch_size=size,
        image_size=eval_image_size(config),
        crop_fraction=config.crop_fraction,
        fit=config.fit,
        rows=devices.rows(size).tolist(),
    )
