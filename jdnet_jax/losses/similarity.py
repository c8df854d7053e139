"""MEAL's similarity: each block of the student is pulled to the teacher's, without labels.

PAPER (Shen, He, Xue, AAAI 2019, and its released code): sum_j gamma_j dist(z_j of the student, z_j of the teacher),
where dist is one of l1, l2, l1 or l2 of the softmaxes, or the cross-entropy of the softmaxes at temperature 1 (the
default, on intermediate blocks as well). The blocks are those of `blocks`.
OURS: l1 and l2 are means over the batch and the d_j numbers of a block, as PyTorch's losses are by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.labels import Labels
from jdnet_jax.models.outputs import Outputs

Block = Float[Array, "batch d"]


def l1(student: Block, teacher: Block) -> Float[Array, ""]:
    """Mean over the batch and the block of |s - t|.

    >>> float(l1(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 2.0]])))
    1.0
    """
    return jnp.mean(jnp.abs(student - teacher))


def l2(student: Block, teacher: Block) -> Float[Array, ""]:
    """Mean over the batch and the block of (s - t)^2.

    >>> float(l2(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 2.0]])))
    2.0
    """
    return jnp.mean((student - teacher) ** 2)


def soft_l1(student: Block, teacher: Block) -> Float[Array, ""]:
    """`l1` of the softmaxes; in [0, 2 / d].

    >>> float(soft_l1(jnp.array([[1.0, 2.0]]), jnp.array([[2.0, 3.0]])))  # a constant changes no softmax
    0.0
    """
    return l1(jax.nn.softmax(student), jax.nn.softmax(teacher))


def soft_l2(student: Block, teacher: Block) -> Float[Array, ""]:
    """`l2` of the softmaxes; in [0, 2 / d].

    >>> float(soft_l2(jnp.array([[1.0, 2.0]]), jnp.array([[2.0, 3.0]])))  # a constant changes no softmax
    0.0
    """
    return l2(jax.nn.softmax(student), jax.nn.softmax(teacher))


def ce(student: Block, teacher: Block) -> Float[Array, ""]:
    """Mean over the batch of -sum softmax(t) log softmax(s), in nats; at least the entropy of softmax(t).

    >>> even = jnp.zeros((1, 2))
    >>> round(float(ce(even, even)), 4)  # log 2
    0.6931
    """
    return -jnp.mean(jnp.sum(jax.nn.softmax(teacher) * jax.nn.log_softmax(student), axis=-1))


DISTANCES: Mapping[str, Callable[[Block, Block], Float[Array, ""]]] = {
    "l1": l1,
    "l2": l2,
    "soft_l1": soft_l1,
    "soft_l2": soft_l2,
    "ce": ce,
}


class Similarity(nn.Module):
    """The weighted sum of a distance over all blocks.

    Attributes:
        student: reads the student's blocks.
        teacher: reads the teacher's blocks, as many and of the same lengths.
        gammas: the weight of each block, the logits last.
        distance: one of `DISTANCES`.
    """

    student: BlockReader
    teacher: BlockReader
    gammas: Sequence[float]
    distance: str = "ce"

    def __call__(self, student: Outputs, teacher: Outputs, labels: Labels, *, train: bool) -> Float[Array, ""]:
        """The value of the term; its unit depends on the distance."""
        distance = DISTANCES[self.distance]
        total = jnp.float32(0.0)
        for gamma, s, t in zip(self.gammas, self.student(student), self.teacher(teacher), strict=True):
            total = total + gamma * distance(s, t)
        return total
