"""Runs exported weights, a `.safetensors` file with timm's names, in the network of the zoo that its card names."""

from __future__ import annotations

from pathlib import Path

from jdnet_jax import models
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference.flax_runner import FlaxRunner


def load(path: Path, card: ModelCard) -> FlaxRunner:
    """Opens the file.

    Raises:
        UserError: it cannot be read, or holds other tensors than the card's network has.
    """
    variables = models.load_pretrained(
        card.model,
        str(path),
        len(card.classes),
        image_size=card.image_size,
        fresh_classifier=False,
        **dict(card.options),
    )
    return FlaxRunner(card, variables, path)
