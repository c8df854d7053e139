"""IAL, Instance Activation Learning: both networks learn to look at the same places for the true label.

PAPER (Zhao et al., IEEE JSTSP 2020; the authors' ICASSP 2021 sequel): student and teacher are trained jointly on the
instance activation map of each training sample, a map that incorporates the sample's label. The formula is not known
to us.
OURS: the class activation map of the true label (`Outputs.activation`), compared after pooling the larger map to the
smaller grid. With a GAP + linear head it equals Grad-CAM up to scale, so no second backward pass is needed. A mixture
of two photos has the map of both labels, weighted with their shares. Variants:
- `l2`: maps scaled to unit length over positions (an all-zero map stays zero and sends no gradient), mean squared
  difference over positions;
- `kl`: softmax over positions of the same scaled maps, KL(teacher || student).
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.losses.alignment import normalize, to_common_grid
from jdnet_jax.models.labels import Labels
from jdnet_jax.models.outputs import Outputs

VARIANTS = ("l2", "kl")

ActivationMap = Float[Array, "batch h w"]


def _aligned(student: ActivationMap, teacher: ActivationMap) -> tuple[Float[Array, "b n"], Float[Array, "b n"]]:
    """Both maps on the smaller grid, flattened over positions, each example scaled to unit length (or zero)."""
    s, t = to_common_grid(student[..., None], teacher[..., None])
    return normalize(s.reshape(s.shape[0], -1), -1), normalize(t.reshape(t.shape[0], -1), -1)


def l2_distance(student: ActivationMap, teacher: ActivationMap) -> Float[Array, ""]:
    """Mean over the batch and the n positions of the squared difference; in [0, 2 / n] for maps not negative."""
    s, t = _aligned(student, teacher)
    return jnp.mean((s - t) ** 2)


def kl_distance(student: ActivationMap, teacher: ActivationMap) -> Float[Array, ""]:
    """Mean over the batch of KL(softmax(t) || softmax(s)) over positions, in nats."""
    s, t = _aligned(student, teacher)
    log_s, log_t = jax.nn.log_softmax(s), jax.nn.log_softmax(t)
    return jnp.mean(jnp.sum(jnp.exp(log_t) * (log_t - log_s), axis=-1))


class Ial(nn.Module):
    """Distance of the two networks' activation maps for the true label."""

    variant: str = "l2"

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """The value of the term."""
        distance = {"l2": l2_distance, "kl": kl_distance}[self.variant]
        return distance(student.activation(labels), teacher.activation(labels))
