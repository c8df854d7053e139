"""The checks of a run's config that need no data."""

from __future__ import annotations

import jax
from ml_collections import ConfigDict

from jdnet_jax.config import check as config_check
from jdnet_jax.data import mixing
from jdnet_jax.learning import alignment_check, initial_weights, networks
from jdnet_jax.process.errors import UserError

# Used as the number of classes while shapes are checked, before the dataset is known.
_ANY_CLASSES = 10


def check(config: ConfigDict, *, weights: bool = True, num_classes: int = _ANY_CLASSES) -> None:
    """Every check that needs no data: keys and values, models, their stages and weights, division over devices.

    Args:
        config: config of a run.
        weights: whether the initial weights must exist.
        num_classes: number of classes, where known: then the networks need not be traced a second time.

    Raises:
        UserError: names the key that is wrong and what to do.
    """
    config_check.check(config, weights=weights)
    shares = jax.device_count() * config.grad_accum
    if config.batch_size % shares:
        raise UserError(
            f"config.batch_size is {config.batch_size}, which {jax.device_count()} devices x config.grad_accum = "
            f"{config.grad_accum} do not divide: choose a multiple of {shares}"
        )
    if mixing.is_on(config.augment) and config.batch_size % (2 * shares):
        raise UserError(
            f"config.batch_size is {config.batch_size}: mixup and CutMix pair the photos of each device's share, so it "
            f"must be a multiple of {2 * shares} (2 x devices x config.grad_accum)"
        )
    if config.dataset.unlabelled:
        count = round(config.batch_size * config.dataset.unlabelled_share)
        if count % shares or not 0 < count < config.batch_size:
            raise UserError(
                f"config.dataset.unlabelled_share is {config.dataset.unlabelled_share}, {count} of the "
                f"{config.batch_size} photos of a batch: it must be a multiple of {shares} (devices x "
                "config.grad_accum), so that each device has as many, and leave some with labels"
            )
    nets = networks.build(config, num_classes)
    alignment_check.check_alignment(config, nets)
    if weights:
        initial_weights.check(nets)
