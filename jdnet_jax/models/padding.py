"""Padding of images for convolution and pooling windows."""

from __future__ import annotations

from typing import Literal

Pads = tuple[tuple[int, int], tuple[int, int]]
Padding = Literal["same", "symmetric"]


def resolve(padding: Padding, size: tuple[int, int], kernel_size: int, stride: int) -> Pads:
    """Rows and columns of zeros to add on each side: ((top, bottom), (left, right)).

    Args:
        padding: `symmetric` adds (kernel_size - 1) // 2 on every side, as torch's networks do; `same` adds what makes
            the output ceil(size / stride) large, the odd one at the bottom and on the right, as TensorFlow does.
        size: height and width of the image in pixels.
        kernel_size: side of the window in pixels.
        stride: step of the window in pixels.
    """
    if padding == "symmetric":
        side = (kernel_size - 1) // 2
        return ((side, side), (side, side))
    top, left = (max((-(-n // stride) - 1) * stride + kernel_size - n, 0) for n in size)
    return ((top // 2, top - top // 2), (left // 2, left - left // 2))
