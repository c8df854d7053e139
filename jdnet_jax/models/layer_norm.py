"""Layer normalisation (Ba et al., 2016) as transformers and ConvNeXt have it."""

from __future__ import annotations

from typing import Any

from flax import linen as nn

EPSILON = 1e-6


def layer_norm(dtype: Any, name: str) -> nn.LayerNorm:
    """A layer over channels, in `dtype`, its statistics in float32."""
    return nn.LayerNorm(epsilon=EPSILON, dtype=dtype, use_fast_variance=False, name=name)
