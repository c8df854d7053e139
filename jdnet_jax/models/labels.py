"""Labels of a batch: one class for each photo, or shares of several where photos are mixed."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

#: Class ids [batch], or shares of the classes [batch, classes] that add up to 1.
Labels = Int[Array, " batch"] | Float[Array, "batch classes"]


def shares(labels: Labels, classes: int) -> Float[Array, "batch classes"]:
    """The labels as shares of the classes, float32."""
    return jax.nn.one_hot(labels, classes) if labels.ndim == 1 else labels


def of_batch(batch: Mapping[str, Array], classes: int) -> Labels:
    """The labels of a training batch; shares of both photos' classes where it was mixed.

    Args:
        batch: `label` [batch]; where photos were mixed also `mixed_label` [batch] and `share` [batch], as
            `data.mixing.mix_pairs` says.
        classes: number of classes.
    """
    if "share" not in batch:
        return batch["label"]
    share = batch["share"][:, None]
    return share * shares(batch["label"], classes) + (1.0 - share) * shares(batch["mixed_label"], classes)


def largest(batch: Mapping[str, Array]) -> Int[Array, " batch"]:
    """The class with the largest share of each photo of a training batch."""
    if "share" not in batch:
        return batch["label"]
    return jnp.where(batch["share"] >= 0.5, batch["label"], batch["mixed_label"])
