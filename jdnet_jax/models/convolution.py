"""XLA's convolution, in the layouts of every convolution of the project."""

from __future__ import annotations

from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jdnet_jax.models.padding import Pads
from jdnet_jax.models.parameter import Parameter

#: NHWC images and HWIO kernels.
DIMENSION_NUMBERS = ("NHWC", "HWIO", "NHWC")


def convolve(
    x: Float[Array, "batch height width c_in"],
    kernel: Float[Parameter, "k_h k_w c_in_of_a_group c_out"],
    stride: int,
    pads: Pads,
    groups: int = 1,
    precision: lax.Precision | None = None,
    dtype: DTypeLike | None = None,
) -> Float[Array, "batch out_height out_width c_out"]:
    """Convolution (a cross-correlation, as everywhere in deep learning) as one operation of XLA.

    Args:
        x: images, or feature maps.
        kernel: in the dtype of `x`; the groups' kernels side by side.
        stride: step of the kernel in pixels.
        pads: rows and columns of zeros around the images.
        groups: number of groups of channels, each convolved separately.
        precision: precision of the products.
        dtype: dtype of the result; None for the dtype of `x`.
    """
    return lax.conv_general_dilated(
        x,
        kernel,  # type: ignore[arg-type]  # JAX takes NumPy's arrays too
        (stride, stride),
        pads,
        dimension_numbers=DIMENSION_NUMBERS,
        feature_group_count=groups,
        precision=precision,
        preferred_element_type=dtype,
    )
