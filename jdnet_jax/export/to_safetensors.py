"""Weights as a plain `.safetensors` file with timm's names; see `models.torch_writer`.

It has only the weights: the loading program must normalise the images and compute the softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jaxtyping import PyTree

from jdnet_jax import models
from jdnet_jax.handoff.model_card import ModelCard


def write(path: Path, variables: Mapping[str, PyTree], card: ModelCard, author: str, licence: str) -> None:
    """Writes the file and reads it again.

    Args:
        path: path of the file.
        variables: `params` and `batch_stats`, BatchNorms as they are.
        card: the model card, for the file's metadata.
        author: author, for the metadata.
        licence: licence, for the metadata.

    Raises:
        UserError: it cannot be written, or what was read is not what was written.
    """
    models.to_torch(variables, path, metadata={"model.json": card.to_json(), "author": author, "license": licence})
