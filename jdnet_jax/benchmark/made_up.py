"""The inputs of a step without data or weights: a run's parts with random weights, and batches of noise."""

from __future__ import annotations

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax.config import views
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.data import mixing
from jdnet_jax.learning import assembly, devices, run_check
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.devices import Batch
from jdnet_jax.process.errors import UserError

_STEPS = 1000  # of a run whose length follows from its data


def begun_at_random(config: ConfigDict) -> ConfigDict:
    """The config with all networks initialised at random: the cost of a step does not depend on the weights."""
    config = config.copy_and_resolve_references()
    for entry in (config.student, *config.teachers.values()):
        with entry.ignore_type():  # that of a network with branches may be a section
            entry.init = "random"
    return config


def length(config: ConfigDict) -> int:
    """The number of steps of the run."""
    return config.steps or _STEPS


def build(config: ConfigDict, classes: int) -> Assembly:
    """The parts of a run whose networks are all initialised at random.

    Raises:
        UserError: a mistake in the config.
    """
    config = begun_at_random(config)
    run_check.check(config, weights=False, num_classes=classes)
    return assembly.assemble(config, classes, length(config))


def train_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the train step takes it, on the devices."""
    return jax.block_until_ready(devices.split(_mixed(config, classes, config.batch_size), config.grad_accum))


def eval_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the evaluation step takes it, on the devices; as long as they divide it."""
    size = config.eval_batch_size or config.batch_size
    size = -(-size // jax.device_count()) * jax.device_count()
    noise = _noise(config, classes, size, eval_image_size(config))
    return jax.block_until_ready(devices.split({**noise, "mask": np.ones(size, bool)}))


def train_batch_shapes(config: ConfigDict, classes: int, count: int) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of `train_batch` for a number of devices.

    Raises:
        UserError: the batch cannot be cut so.
    """
    shares = count * config.grad_accum
    if config.batch_size % shares:
        raise UserError(
            f"config.batch_size={config.batch_size} cannot be cut into {config.grad_accum} micro-batches for each of "
            f"{count} devices: choose a multiple of {shares}"
        )
    lead = (count, config.grad_accum, config.batch_size // shares)
    return _shapes(_mixed(config, classes, 2), lead)


def eval_batch_shapes(config: ConfigDict, classes: int, count: int) -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of `eval_batch` for a number of devices."""
    lead = (count, -(-(config.eval_batch_size or config.batch_size) // count))
    return _shapes({**_noise(config, classes, 1, eval_image_size(config)), "mask": np.ones(1, bool)}, lead)


def _shapes(examples: dict[str, np.ndarray], lead: tuple[int, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct((*lead, *values.shape[1:]), values.dtype) for name, values in examples.items()}


def _mixed(config: ConfigDict, classes: int, size: int) -> dict[str, np.ndarray]:
    batch = _noise(config, classes, size, config.image_size)
    if mixing.is_on(config.augment):
        batch |= {"mixed_label": batch["label"][::-1].copy(), "share": np.full(size, 0.5, np.float32)}
    return batch


def _noise(config: ConfigDict, classes: int, size: int, pixels: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(config.seed)
    shape = (size, pixels, pixels, 3)
    photo = rng.integers(0, 256, shape, dtype=np.uint8)
    mask = rng.integers(0, 2, (*shape[:3], 1), dtype=np.uint8)
    return {
        **views.cut(photo, mask, config.dataset.view),
        "label": rng.integers(0, classes, size).astype(np.int32),
    }
