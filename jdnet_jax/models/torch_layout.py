"""Conversion of tensors between PyTorch's names and layouts and Flax's.

A module's path is the same on both sides, as the zoo's names are timm's; the names of a module's
parameters and statistics differ, and the order of their axes.
"""

from __future__ import annotations

import numpy as np

#: Flax's names of a module's parameters and statistics, and PyTorch's.
_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}

Path = tuple[str, ...]
Shape = tuple[int, ...]


def torch_name(path: Path) -> str:
    """The name in a state dict of a variable, by its path from the collection to the leaf."""
    return ".".join((*path[1:-1], _LEAVES.get(path[-1], path[-1])))


def torch_shape(shape: Shape) -> Shape:
    """The shape in PyTorch: [out, in] for a linear layer, [out, in / groups, height, width] for a convolution."""
    if len(shape) == 4:
        height, width, inputs, outputs = shape
        return (outputs, inputs, height, width)
    return shape[::-1] if len(shape) == 2 else shape


def as_convolution(tensor: np.ndarray, shape: Shape) -> np.ndarray:
    """PyTorch's tensor of a linear layer as that of a 1x1 convolution, if Flax's `shape` is one's; else the tensor.

    torchvision writes as linear layers what timm writes as convolutions of pooled maps.
    """
    return tensor[:, :, None, None] if tensor.ndim == 2 and shape[:-2] == (1, 1) else tensor


def from_torch(tensor: np.ndarray) -> np.ndarray:
    """A tensor in Flax's layout: [in, out], or [height, width, in / groups, out]; a copy, float32."""
    if tensor.ndim == 4:
        tensor = tensor.transpose(2, 3, 1, 0)
    elif tensor.ndim == 2:
        tensor = tensor.T
    return np.array(tensor, np.float32, order="C")


def to_torch(array: np.ndarray) -> np.ndarray:
    """A variable in PyTorch's layout; a copy, float32."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:
        array = array.T
    return np.array(array, np.float32, order="C")
