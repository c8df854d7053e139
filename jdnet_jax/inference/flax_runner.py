"""Runs the student of a hand-off with JAX: the reference that every exported file is compared with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, PyTree, UInt8

from jdnet_jax import handoff, models
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.batches import run_in_batches
from jdnet_jax.inference.runner import Prediction
from jdnet_jax.learning import networks
from jdnet_jax.process.errors import UserError


class FlaxRunner:
    """A student of the zoo, compiled for the first device; a `Runner`.

    Attributes:
        card: the model card.
        module: the network.
        variables: its `params` and `batch_stats`.
    """

    def __init__(self, card: ModelCard, variables: Mapping[str, PyTree], name: object):
        """Checks that the weights are of the network that the card describes, and puts them on the device.

        Args:
            card: the model card.
            variables: `params` and `batch_stats`.
            name: name of the model, for messages.

        Raises:
            UserError: an unknown network, or weights of other shapes, such as a head for other classes.
        """
        module = create(card, name)
        network = networks.Network(STUDENT, card.model, card.options, str(name), False, module, card.image_size)
        try:
            fits = networks.fits(network, variables)
        except Exception as error:  # options that make no network show in the layers' errors
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{name}: the options {dict(card.options)} do not fit {card.model} ({reason})") from error
        if not fits:
            raise UserError(
                f"{name}: its weights are not of {card.model} with the {len(card.classes)} classes and the options "
                f"{dict(card.options)} of its model.json: write the model again"
            )
        self.card, self.module = card, module
        self.variables = jax.device_put(dict(variables))
        self._forward = jax.jit(lambda weights, images: forward(module, card, weights, images))

    def run(self, images: UInt8[np.ndarray, "n size size channels"]) -> Prediction:
        """Predicts any number of photos; see `Runner`."""
        return run_in_batches(lambda batch: self._forward(self.variables, batch), images)


def load(path: str | os.PathLike[str]) -> FlaxRunner:
    """Opens a hand-off, or the one in a workdir.

    Raises:
        UserError: as `handoff.load` and `FlaxRunner`.
    """
    variables, card = handoff.load(path)
    return FlaxRunner(card, variables, path)


def create(card: ModelCard, name: object, *, backbone: bool = False) -> nn.Module:
    """The network that a card describes, built for inference.

    Args:
        card: the model card.
        name: name of the model, for messages.
        backbone: without the classifier; see `models.create_backbone`.

    Raises:
        UserError: the zoo has no such network.
    """
    options: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in card.options.items()
    }
    try:
        if backbone:
            return models.create_backbone(card.model, dtype=jnp.dtype(card.dtype), **options)
        return models.create(card.model, len(card.classes), dtype=jnp.dtype(card.dtype), **options)
    except (UserError, TypeError) as error:
        raise UserError(f"{name}: {error}") from error


def forward(
    module: nn.Module, card: ModelCard, variables: Mapping[str, PyTree], images: UInt8[Array, "n size size channels"]
) -> tuple[Float[Array, "n classes"], Float[Array, "n h w"]]:
    """The whole forward pass from pixels to answer: normalisation, network, temperature, softmax, activation map.

    Args:
        module: as `create` makes it.
        card: the model card.
        variables: `params` and `batch_stats`.
        images: see `Runner.run`.

    Returns:
        probabilities, and the class activation map of the most probable class, both float32.
    """
    mean, std = np.asarray(card.mean, np.float32), np.asarray(card.std, np.float32)
    normalised = (images.astype(jnp.float32) - mean) / std
    outputs: Any = module.apply(variables, normalised, train=False)
    scores = outputs.scores
    return jax.nn.softmax(scores / np.float32(card.temperature)), outputs.activation(jnp.argmax(scores, -1))
