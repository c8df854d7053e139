"""Labels of a batch: one class for each photo, shares of several for mixed photos, or none for unlabelled ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class PartLabels(NamedTuple):
    """Labels of a batch in which some photos have none.

    Attributes:
        ids: class ids; arbitrary for a photo without a label.
        known: which photos have a label, at least one.
    """

    ids: Int[Array, " batch"]
    known: Bool[Array, " batch"]

    def mean(self, values: Float[Array, " batch"]) -> Float[Array, ""]:
        """The mean of the values of those photos that have a label."""
        return jnp.sum(jnp.where(self.known, values, 0.0)) / jnp.sum(self.known, dtype=jnp.float32)


#: Class ids [batch], or shares of the classes [batch, classes] that add up to 1.
FullLabels = Int[Array, " batch"] | Float[Array, "batch classes"]
#: `FullLabels`, or the class ids of some photos only.
Labels = FullLabels | PartLabels


def completed(labels: Labels, scores: Float[Array, "batch classes"]) -> FullLabels:
    """The labels, completed for unlabelled photos by the class with a network's highest score."""
    if not isinstance(labels, PartLabels):
        return labels
    return jnp.where(labels.known, labels.ids, jnp.argmax(scores, -1))


def shares(labels: FullLabels, classes: int) -> Float[Array, "batch classes"]:
    """The labels as shares of the classes, float32."""
    return jax.nn.one_hot(labels, classes) if labels.ndim == 1 else labels


def of_batch(batch: Mapping[str, Array], classes: int) -> Labels:
    """The labels of a training batch; shares of both classes for mixed photos.

    Args:
        batch: `label` [batch]; where photos were mixed also `mixed_label` [batch] and `share` [batch], as
            `data.mixing.mix_pairs` says; where some have no label `known` [batch].
        classes: number of classes.
    """
    if "known" in batch:
        return PartLabels(batch["label"], batch["known"])
    if "share" not in batch:
        return batch["label"]
    share = batch["share"][:, None]
    return share * shares(batch["label"], classes) + (1.0 - share) * shares(batch["mixed_label"], classes)


def largest(batch: Mapping[str, Array]) -> Int[Array, " batch"]:
    """The class with the largest share of each photo of a training batch."""
    if "share" not in batch:
        return batch["label"]
    return jnp.where(batch["share"] >= 0.5, batch["label"], batch["mixed_label"])
