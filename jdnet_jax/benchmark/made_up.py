"""What a step takes, for a config and without its data: the parts of the run, and a batch of noise."""

from __future__ import annotations

import jax
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import assembly, step, train, views
from jdnet_jax.assembly import Assembly
from jdnet_jax.data import mixing
from jdnet_jax.step import Batch

_STEPS = 1000  # of a run whose length follows from its data


def build(config: ConfigDict, classes: int) -> Assembly:
    """The parts of a run.

    Raises:
        UserError: a mistake in the config.
    """
    train.check(config)
    return assembly.assemble(config, classes, config.steps or _STEPS)


def train_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the train step takes it, on the devices."""
    batch = _noise(config, classes, config.batch_size)
    if mixing.is_on(config.augment):
        batch |= {"mixed_label": batch["label"][::-1].copy(), "share": np.full(config.batch_size, 0.5, np.float32)}
    return jax.block_until_ready(step.split(batch, config.grad_accum))


def eval_batch(config: ConfigDict, classes: int) -> Batch:
    """A global batch of noise as the evaluation step takes it, on the devices; as long as they divide it."""
    size = config.eval_batch_size or config.batch_size
    size = -(-size // jax.device_count()) * jax.device_count()
    return jax.block_until_ready(step.split({**_noise(config, classes, size), "mask": np.ones(size, bool)}))


def _noise(config: ConfigDict, classes: int, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(config.seed)
    local = size // jax.process_count()
    shape = (local, config.image_size, config.image_size, 3)
    photo = rng.integers(0, 256, shape, dtype=np.uint8)
    mask = rng.integers(0, 2, (*shape[:3], 1), dtype=np.uint8)
    return {
        **views.cut(photo, mask, config.dataset.view),
        "label": rng.integers(0, classes, local).astype(np.int32),
    }
