"""A digest of a network's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import PyTree


def sha256(variables: Mapping[str, PyTree]) -> str:
    """SHA-256 of parameters and batch statistics in a fixed order (leaves sorted by path), as hexadecimal digits.

    Two runs ended with the same bits exactly when their digests are equal.
    """
    digest = hashlib.sha256()
    leaves = jax.tree_util.tree_leaves_with_path(dict(variables))
    for path, leaf in sorted((jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in leaves):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{path} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
