"""MEAL's adversarial part: a discriminator for each block tells the student's vectors from the teacher's.

PAPER (Shen, He, Xue, AAAI 2019, and its released code): three dense layers d -> d/2 -> d/4 -> 2 on each block z_j, the
target [1, 0] for the student and [0, 1] for the teacher, binary cross-entropy with logits, averaged; weights eta_j. As
released, student and discriminators descend this loss together (`joint`); the paper's text says adversarial. MEAL V2
has one discriminator on the logits, 1000 -> 125 -> 15 -> 2.
The released code also has a ReLU after the last layer, with which the loss cannot fall below ln(2) / 2: only
`faithful` has it here.
OURS: how the student opposes. In `reversal` its gradient is reversed in every step (Ganin & Lempitsky, ICML 2015). In
`alternate` the two take turns by the number of the step: in even steps the discriminators learn, and the student gets
no gradient of this term; in odd ones they are fixed, and the student climbs their loss. All other terms reach the
student in every step, so that it has as many updates in each mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jdnet_jax.config.routing import DISCRIMINATORS
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.labels import Labels
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.pointwise import EXACT

#: The collection of a term's figures, beside its value, that are logged.
FIGURES = "figures"


def discriminators_turn(step: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether a step of the mode `alternate` updates the discriminators.

    >>> [bool(discriminators_turn(jnp.int32(step))) for step in range(4)]
    [True, False, True, False]
    """
    return step % 2 == 0


class Discriminator(nn.Module):
    """Three dense layers with ReLU between them: the two logits "student" and "teacher" of each vector.

    Attributes:
        divisors: of the vector's length, rounded down, for the widths of the hidden layers (at least 1).
        final_relu: whether a ReLU follows the last layer too, as in the released code.
    """

    divisors: Sequence[int] = (2, 4)
    final_relu: bool = False

    @nn.compact
    def __call__(self, z: Float[Array, "batch d"]) -> Float[Array, "batch 2"]:
        """Logits, float32."""
        x = z
        for i, divisor in enumerate(self.divisors):
            x = nn.relu(nn.Dense(max(1, z.shape[-1] // divisor), precision=EXACT, name=f"hidden{i}")(x))
        x = nn.Dense(2, precision=EXACT, name="out")(x)
        return nn.relu(x) if self.final_relu else x


def discriminator_loss(logits: Float[Array, "batch 2"], is_teacher: Bool[Array, " batch"]) -> Float[Array, ""]:
    """Mean over the batch and both logits of the binary cross-entropy with [1, 0] or, for a teacher's, [0, 1]; nats.

    Zero logits give ln(2); logits that cannot be negative give ln(2) / 2 at the least, others can come arbitrarily
    close to 0.

    >>> logits = jnp.array([[2.0, -2.0], [-2.0, 2.0]])  # one called a student, one a teacher
    >>> round(float(discriminator_loss(logits, jnp.array([False, True]))), 4)
    0.1269
    """
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, _targets(is_teacher)))


def discriminator_accuracy(logits: Float[Array, "batch 2"], is_teacher: Bool[Array, " batch"]) -> Float[Array, ""]:
    """Share of the vectors whose greater logit is the right one, in [0, 1]; equal logits count one half.

    >>> logits = jnp.array([[2.0, -2.0], [2.0, -2.0]])
    >>> float(discriminator_accuracy(logits, jnp.array([False, True])))
    0.5
    """
    right = jnp.sign(jnp.sum(logits * (2.0 * _targets(is_teacher) - 1.0), axis=-1))
    return jnp.mean((right + 1.0) / 2.0)


def _targets(is_teacher: Bool[Array, " batch"]) -> Float[Array, "batch 2"]:
    return jnp.stack([~is_teacher, is_teacher], axis=-1).astype(jnp.float32)


class Adversarial(nn.Module):
    """The weighted sum of the discriminators' losses over all blocks.

    The mean of their accuracies is recorded as the figure `accuracy`.

    Attributes:
        student: reads the student's blocks.
        teacher: reads the teacher's blocks, as many and of the same lengths.
        etas: the weight of each block, the logits last; where it is 0, the block has no discriminator.
        divisors: see `Discriminator`.
        final_relu: see `Discriminator`.
    """

    group: ClassVar[str] = DISCRIMINATORS

    student: BlockReader
    teacher: BlockReader
    etas: Sequence[float]
    divisors: Sequence[int] = (2, 4)
    final_relu: bool = False

    @nn.compact
    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """Computes the term, in nats."""
        total, accuracies = jnp.float32(0.0), []
        blocks = zip(self.etas, self.student(student), self.teacher(teacher), strict=True)
        for i, (eta, s, t) in enumerate(blocks):
            if eta == 0:
                continue
            logits = Discriminator(self.divisors, self.final_relu, name=f"block{i}")(jnp.concatenate([s, t]))
            is_teacher = jnp.arange(logits.shape[0]) >= s.shape[0]
            total = total + eta * discriminator_loss(logits, is_teacher)
            accuracies.append(discriminator_accuracy(logits, is_teacher))
        accuracy = jnp.mean(jnp.stack(accuracies))
        self.sow(FIGURES, "accuracy", accuracy, reduce_fn=lambda _, new: new, init_fn=lambda: accuracy)
        return total
