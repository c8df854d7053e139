"""Positional embeddings of a grid of patches, and their resizing for images of another size."""

from __future__ import annotations

import math

import jax
import numpy as np
from jaxtyping import Float

from jdnet_jax.process.progress import say

#: The name of the parameter: one embedding for each token before the patches, then one for each patch, row by row.
NAME = "pos_embed"


def fit(embedding: Float[np.ndarray, ...], shape: tuple[int, ...], prefix: int, name: str) -> Float[np.ndarray, ...]:
    """The embeddings resized to a network's grid, with a line on standard error if they change.

    They are resized bicubically with antialiasing, as timm does it (`resample_abs_pos_embed`); those of the tokens
    before the patches stay as they are. Embeddings that are not of a square grid, or of another width, are returned
    unchanged: they do not belong to this network.

    Args:
        embedding: [1, tokens, width], of the tokens before the patches and of a square grid of patches.
        shape: the wanted shape [1, tokens, width].
        prefix: number of tokens before the patches.
        name: name of the network, for the message.
    """
    if embedding.ndim != 3 or embedding.shape == shape or embedding.shape[::2] != shape[::2]:
        return embedding
    old, new = (_side(tokens - prefix) for tokens in (embedding.shape[1], shape[1]))
    if not (old and new):
        return embedding
    say(f"{name}: positional embeddings resized from {old}x{old} to {new}x{new} patches")
    channels = shape[2]
    grid = np.asarray(embedding[0, prefix:], np.float32).reshape(old, old, channels)
    resized = np.asarray(jax.image.resize(grid, (new, new, channels), "cubic", antialias=True))
    return np.concatenate([np.asarray(embedding[:, :prefix], np.float32), resized.reshape(1, -1, channels)], axis=1)


def _side(patches: int) -> int:
    """The side of a square grid; 0 if the grid is not square."""
    side = math.isqrt(max(patches, 0))
    return side if side**2 == patches else 0
