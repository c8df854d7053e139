"""Weights as a plain `.safetensors` file with timm's names, which timm's models load as their own.

    timm.create_model("tf_efficientnet_lite0", num_classes=81, checkpoint_path="student.safetensors")

It has the weights and nothing else: who loads them normalises the images and takes the softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import flax.traverse_util
import numpy as np
import safetensors.numpy
from jaxtyping import PyTree

from jdnet_jax.errors import UserError
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.models import torch_file, torch_layout


def write(path: Path, variables: Mapping[str, PyTree], card: ModelCard, author: str, licence: str) -> None:
    """Writes the file and reads it again.

    Args:
        path: of the file.
        variables: `params` and `batch_stats`, BatchNorms as they are.
        card: goes into the file's metadata.
        author: likewise.
        licence: likewise.

    Raises:
        UserError: what was read is not what was written.
    """
    flat = flax.traverse_util.flatten_dict(dict(variables))
    tensors = {torch_layout.torch_name(key): torch_layout.to_torch(np.asarray(value)) for key, value in flat.items()}
    metadata = {"format": "pt", "model.json": card.to_json(), "author": author, "license": licence}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))
    found = torch_file.read_tensors(path)
    if found.keys() != tensors.keys() or any(found[name].tobytes() != tensors[name].tobytes() for name in tensors):
        raise UserError(f"{path} was not written as it should be: is the disk sound?")
