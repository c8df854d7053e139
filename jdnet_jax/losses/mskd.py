"""MSKD, Multi-Stage Knowledge Distillation: the networks' feature maps are aligned at several depths.

PAPER (Zhao, Yap, Kot, Duan, "JDNet: A Joint-Learning Distilled Network for Mobile Visual Food Recognition", IEEE JSTSP
14(4), 2020): teacher and student are trained at the same time, at different levels of abstraction, using intermediate
features of both. The paper's taps, distances and weights are not known to us.
OURS: everything below. Features are tapped at the strides 4, 8, 16, 32 (`Outputs.stages`), by default at the deepest
alone: the shallow ones slow a small student down. The variants are
- `cosine`: A_k(F_k^S) against F_k^T, 1 - cosine over channels, averaged over positions. A_k is a 1x1 convolution and
  batch norm to the teacher's channels: part of the train state, never of the student that is handed off.
- `l2`: squared distance of A_k(F_k^S) and F_k^T, each scaled to unit length as a whole map, so that how strong a
  position is counts as well as its direction.
- `attention`: attention transfer (Zagoruyko & Komodakis, ICLR 2017, activation-based): the sum of squares over
  channels, scaled to unit length over positions, squared difference summed over positions. No adapter.
- `logits`: an auxiliary head (global average pooling and a linear layer) on each stage of both networks: cross-entropy
  with the label for both, and KL from the teacher's head (fixed) to the student's; where the student may pull on the
  teacher also KL from the student's head (fixed) to the teacher's, as in `classification.Kl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.losses.alignment import cosines, normalize, to_common_grid
from jdnet_jax.losses.classification import cross_entropy, kl_divergence
from jdnet_jax.models import lowering
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.labels import Labels
from jdnet_jax.models.layers import Conv
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.pointwise import EXACT
from jdnet_jax.models.product_norm import product_norm

#: The two networks' maps, which may have different grids.
StudentMap = Float[Array, "batch hs ws channels"]
TeacherMap = Float[Array, "batch ht wt channels"]


def cosine_distance(student: StudentMap, teacher: TeacherMap) -> Float[Array, ""]:
    """Mean over the batch and positions of 1 - cos(student, teacher) along channels; in [0, 2].

    >>> ahead, aside = jnp.array([[[[1.0, 0.0]]]]), jnp.array([[[[0.0, 1.0]]]])
    >>> float(cosine_distance(ahead, 2 * ahead)), float(cosine_distance(ahead, aside))
    (0.0, 1.0)
    """
    student, teacher = to_common_grid(student, teacher)
    if lowering.on_cpu():
        cosine = jnp.sum(normalize(student, -1) * normalize(teacher, -1), axis=-1)
    else:
        cosine = cosines(student, teacher)
    return jnp.mean(1.0 - cosine)


def l2_distance(student: StudentMap, teacher: TeacherMap) -> Float[Array, ""]:
    """Mean over the batch of ||s - t||^2, each example's whole map scaled to unit length; in [0, 4].

    >>> ahead, aside = jnp.array([[[[1.0, 0.0]]]]), jnp.array([[[[0.0, 1.0]]]])
    >>> float(l2_distance(ahead, 2 * ahead)), round(float(l2_distance(ahead, aside)), 4)
    (0.0, 2.0)
    """
    student, teacher = to_common_grid(student, teacher)
    difference = normalize(student, (1, 2, 3)) - normalize(teacher, (1, 2, 3))
    return jnp.mean(jnp.sum(difference**2, axis=(1, 2, 3)))


def attention_distance(
    student: Float[Array, "batch hs ws cs"], teacher: Float[Array, "batch ht wt ct"]
) -> Float[Array, ""]:
    """Mean over the batch of ||s - t||^2 of the maps' energies, each scaled to unit length over positions; in [0, 2].

    The energy of a position is the sum of squares over channels.
    """

    def energy(features):
        return jnp.sum(jnp.square(features.astype(jnp.float32)), axis=-1, keepdims=True)

    student, teacher = to_common_grid(energy(student), energy(teacher))
    difference = normalize(student, (1, 2, 3)) - normalize(teacher, (1, 2, 3))
    return jnp.mean(jnp.sum(difference**2, axis=(1, 2, 3)))


DISTANCES = {"cosine": cosine_distance, "l2": l2_distance, "attention": attention_distance}
VARIANTS = (*DISTANCES, "logits")


class Adapter(nn.Module):
    """1x1 convolution and batch norm, from a student's stage to the teacher's channels."""

    channels: int
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: Float[Array, "batch h w c"], *, train: bool) -> Float[Array, "batch h w channels"]:
        """Projects every position."""
        conv = Conv(self.channels, 1, dtype=self.dtype, name="conv")
        norm = BatchNorm(1e-5, dtype=self.dtype, axis_name=self.axis_name, name="bn")
        return product_norm(conv, norm, features, train=train)


class StageHead(nn.Module):
    """Global average pooling and a linear layer: the logits that one stage alone can give."""

    classes: int

    @nn.compact
    def __call__(self, features: Float[Array, "batch h w c"]) -> Float[Array, "batch classes"]:
        """Logits, float32."""
        return nn.Dense(self.classes, precision=EXACT, name="classifier")(
            features.astype(jnp.float32).mean(axis=(1, 2))
        )


class Mskd(nn.Module):
    """The weighted sum of a distance over the chosen stages.

    Attributes:
        variant: one of `VARIANTS`.
        stages: indices into both networks' `Outputs.stages`; -1 is the deepest of each.
        stage_weights: one for each stage, not negative; empty for 1 each.
        mutual: whether the teacher feels the KL of the variant `logits`; the others are symmetric, and routed.
        dtype: compute dtype of the adapters.
        axis_name: mesh axis over which the adapters' batch statistics are averaged, None for per device.
    """

    group: ClassVar[str] = "adapters"

    variant: str = "cosine"
    stages: Sequence[int] = (-1,)
    stage_weights: Sequence[float] = ()
    mutual: bool = False
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """The value of the term; its unit depends on the variant."""
        weights = self.stage_weights or (1.0,) * len(self.stages)
        total = jnp.float32(0.0)
        for stage, weight in zip(self.stages, weights, strict=True):
            total = total + weight * self._distance(stage, student, teacher, labels, train)
        return total

    def _distance(
        self, stage: int, student: Outputs, teacher: Outputs, labels: Labels, train: bool
    ) -> Float[Array, ""]:
        s, t = student.stages[stage], teacher.stages[stage]
        if self.variant == "logits":
            classes = student.logits.shape[-1]
            s_logits = StageHead(classes, name=f"student_head{stage}")(s)
            t_logits = StageHead(classes, name=f"teacher_head{stage}")(t)
            stop = jax.lax.stop_gradient
            per_example = (
                cross_entropy(s_logits, labels)
                + cross_entropy(t_logits, labels)
                + kl_divergence(stop(t_logits), s_logits)
            )
            if self.mutual:
                per_example = per_example + kl_divergence(stop(s_logits), t_logits)
            return per_example.mean()
        if self.variant != "attention":
            s = Adapter(t.shape[-1], self.dtype, self.axis_name, name=f"stage{stage}")(s, train=train)
        return DISTANCES[self.variant](s, t)
