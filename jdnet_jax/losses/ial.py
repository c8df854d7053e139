"""IAL, Instance Activation Learning: both networks learn to look at the same places for the true label.

PAPER (Zhao et al., IEEE JSTSP 2020; the authors' ICASSP 2021 sequel): student and teacher are trained jointly on the
instance activation map of each training sample, a map that incorporates the sample's label. The formula is not known
to us.
OURS: the class activation map of the true label (`Outputs.activation`), compared after pooling the larger map to the
smaller grid. With a GAP + linear head it equals Grad-CAM up to scale, so no second backward pass is needed. A mixture
of two photos has the map of both labels, weighted with their shares; a photo without label that of the class which the
teacher predicts. Variants:
- `l2`: maps scaled to unit length over positions (an all-zero map stays zero and sends no gradient), the squared
  difference summed over positions, which is 2 - 2 cosine;
- `kl`: softmax over positions of the same scaled maps, KL(teacher || student). The values of a map of unit length over
  n positions are about 1 / sqrt(n), so its softmax would be nearly uniform: they are divided by temperature / sqrt(n);
- `classes`: the maps of all classes in place of the label's, without ReLU: each position's class scores, whose mean
  over positions are the logits, and KL(teacher || student) of their softmax over classes, averaged over positions. So
  the student learns what each part of the photo shows, not only where the label is. (After "Scaled
  Decoupled Distillation", Wei, Luo, Luo, CVPR 2024, which compares the scores of parts of the map at several scales.)
All are the same on a grid of twice the side where each position is repeated.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.losses.alignment import normalize, to_common_grid
from jdnet_jax.losses.classification import kl_divergence
from jdnet_jax.models.labels import Labels, completed
from jdnet_jax.models.outputs import Outputs

VARIANTS = ("l2", "kl", "classes")

#: The two networks' maps, which may have different grids.
StudentMap = Float[Array, "batch hs ws"]
TeacherMap = Float[Array, "batch ht wt"]


def _aligned(student: StudentMap, teacher: TeacherMap) -> tuple[Float[Array, "batch n"], Float[Array, "batch n"]]:
    """Both maps on the smaller grid, flattened over positions, each example scaled to unit length (or zero)."""
    s, t = to_common_grid(student[..., None], teacher[..., None])
    return normalize(s.reshape(s.shape[0], -1), -1), normalize(t.reshape(t.shape[0], -1), -1)


def l2_distance(student: StudentMap, teacher: TeacherMap) -> Float[Array, ""]:
    """Mean over the batch of the squared difference summed over positions: 2 - 2 cosine of the two maps.

    In [0, 2] for maps that are not negative; 1 where one of the two is all zero, 0 where both are.

    >>> here, there = jnp.array([[[1.0, 0.0]]]), jnp.array([[[0.0, 1.0]]])
    >>> float(l2_distance(here, 3 * here)), round(float(l2_distance(here, there)), 4)
    (0.0, 2.0)
    """
    s, t = _aligned(student, teacher)
    return jnp.mean(jnp.sum((s - t) ** 2, axis=-1))


def kl_distance(student: StudentMap, teacher: TeacherMap, temperature: float = 1.0) -> Float[Array, ""]:
    """Mean over the batch of temperature^2 KL(teacher || student), in nats.

    The distributions over the n positions are softmax(map * sqrt(n) / temperature) of maps scaled to unit length: these
    values have a root mean square of 1 / temperature on any grid.

    >>> here, there = jnp.array([[[1.0, 0.0]]]), jnp.array([[[0.0, 1.0]]])
    >>> float(kl_distance(here, 3 * here)), round(float(kl_distance(here, there)), 4)
    (0.0, 0.8611)
    """
    s, t = (unit * unit.shape[-1] ** 0.5 for unit in _aligned(student, teacher))
    return jnp.mean(kl_divergence(t, s, temperature))


def classes_distance(
    student: Float[Array, "batch hs ws classes"], teacher: Float[Array, "batch ht wt classes"], temperature: float = 1.0
) -> Float[Array, ""]:
    """Mean over the batch and positions of temperature^2 KL(teacher || student) of the class scores, in nats.

    >>> here, there = jnp.log(jnp.array([[[[0.5, 0.5]]]])), jnp.log(jnp.array([[[[0.25, 0.75]]]]))
    >>> float(classes_distance(here, here)), round(float(classes_distance(there, here)), 4)
    (0.0, 0.1438)
    """
    s, t = to_common_grid(student, teacher)
    return jnp.mean(kl_divergence(t, s, temperature))


class Ial(nn.Module):
    """Distance of the two networks' activation maps, for the true label or for all classes.

    Attributes:
        variant: one of `VARIANTS`.
        temperature: temperature of both softmaxes (`kl`, `classes`).
    """

    variant: str = "l2"
    temperature: float = 1.0

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """The value of the term."""
        if self.variant == "classes":
            return classes_distance(student.class_maps(), teacher.class_maps(), self.temperature)
        classes = completed(labels, teacher.scores)
        maps = student.activation(classes), teacher.activation(classes)
        return l2_distance(*maps) if self.variant == "l2" else kl_distance(*maps, self.temperature)
