"""Weights of a network of the zoo as a `.safetensors` file with timm's names, which timm's models load directly.

    timm.create_model("mobilenetv2_100", num_classes=81, checkpoint_path="student.safetensors")

`pretrained` reads such a file back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import flax.traverse_util
import numpy as np
import safetensors.numpy
from jaxtyping import PyTree

from jdnet_jax.files import atomic
from jdnet_jax.models import torch_file, torch_layout
from jdnet_jax.process.errors import UserError


def to_torch(
    variables: Mapping[str, PyTree], path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes the file, reads it again, and puts it in place.

    It has the entries of timm's state dict of the network, in PyTorch's layout: float32, and for each BatchNorm a
    `num_batches_tracked` (int64) of 0, which PyTorch keeps and does not use where the momentum is a number.

    Args:
        variables: `params` and `batch_stats`, as `load_pretrained` returns them.
        path: path of the file; it must end in `.safetensors`. What is there is replaced.
        metadata: texts to keep in the file beside the tensors.

    Raises:
        UserError: another suffix, the file cannot be written, or what was read is not what was written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path} must end in .safetensors, the ending of this format")
    aside = atomic.aside(path, f".new{path.suffix}")  # it is read by its suffix
    tensors = _tensors(variables)
    try:
        with atomic.created(aside) as file:
            file.write(safetensors.numpy.save(tensors, {"format": "pt", **(metadata or {})}))
        read_back = torch_file.read_tensors(aside)
        if read_back.keys() != tensors.keys() or any(
            read_back[name].tobytes() != tensors[name].tobytes() for name in tensors
        ):
            raise UserError(f"{path} was not written correctly: check the disk")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): make room or choose another place") from error
    finally:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this as well
            aside.unlink(missing_ok=True)


def _tensors(variables: Mapping[str, PyTree]) -> dict[str, np.ndarray]:
    tensors = {}
    for key, value in flax.traverse_util.flatten_dict(dict(variables)).items():
        name = torch_layout.torch_name(key)
        tensors[name] = torch_layout.to_torch(np.asarray(value))
        if name.endswith(".running_mean"):
            tensors[name.replace(".running_mean", ".num_batches_tracked")] = np.array(0, np.int64)
    return tensors
