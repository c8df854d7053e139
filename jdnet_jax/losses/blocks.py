"""The blocks that MEAL compares: vectors of fixed lengths, read from the feature maps of any network, and the logits.

PAPER (Shen, He, Xue, "MEAL: Multi-Model Ensemble via Adversarial Learning", AAAI 2019, and its released code): the map
of block j is flattened over space, pooled adaptively (average or maximum) to a length d_j and averaged over channels,
z_j in R^{d_j}; the last block is the logits. Nothing is learned, so that networks of any width align.
OURS: everything is float32. If the pooling is an average, the average over channels comes first, which gives the same
number for a fraction of the work.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.pointwise import EXACT

POOLS = ("average", "max")


def windows(length: int, size: int) -> Int[np.ndarray, "size 2"]:
    """Begin and end of each window of an adaptive pooling of `length` positions to `size`.

    Window i is [floor(i * length / size), ceil((i + 1) * length / size)), as in PyTorch; windows overlap where `size`
    does not divide `length`, and repeat positions where it is greater.

    >>> windows(5, 2).tolist()
    [[0, 3], [2, 5]]
    """
    i = np.arange(size)
    return np.stack([i * length // size, -(-(i + 1) * length // size)], 1)


def pool(features: Float[Array, "batch h w c"], size: int, kind: str) -> Float[Array, "batch size"]:
    """The pooled map: one value for each of `size` windows over its positions in reading order, averaged over channels.

    Args:
        features: a feature map.
        size: number of windows; may be greater than the number of positions.
        kind: one of `POOLS`, of each channel in a window.

    >>> pool(jnp.arange(4.0).reshape(1, 2, 2, 1), 2, 'average').tolist()
    [[0.5, 2.5]]
    """
    x = features.astype(jnp.float32).reshape(features.shape[0], -1, features.shape[-1])
    begin_end = windows(x.shape[1], size)
    if kind == "average":
        positions = np.arange(x.shape[1])[:, None]
        inside = (positions >= begin_end[:, 0]) & (positions < begin_end[:, 1])
        shares = (inside / inside.sum(0)).astype(np.float32)
        # A product rather than a lookup, whose gradient adds in no fixed order on a GPU.
        return jnp.matmul(x.mean(-1), shares, precision=EXACT)
    widest = int((begin_end[:, 1] - begin_end[:, 0]).max())
    # A narrower window repeats its last position, which is no greater than itself.
    taken = np.minimum(begin_end[:, :1] + np.arange(widest), begin_end[:, 1:] - 1)
    return x[:, taken].max(2).mean(-1)


@dataclasses.dataclass(frozen=True)
class BlockReader:
    """The reader of one network's blocks.

    Attributes:
        lengths: d_j of each block but the last; empty for the logits alone.
        pool: one of `POOLS`.
        stages: which of `Outputs.stages` the blocks are, as many as `lengths`; None for all of them.
    """

    lengths: tuple[int, ...] = ()
    pool: str = "average"
    stages: tuple[int, ...] | None = None

    def __call__(self, outputs: Outputs) -> tuple[Float[Array, "batch _"], ...]:
        """The blocks z_1 to z_J of a batch, float32; the last is the logits."""
        chosen = range(len(self.lengths)) if self.stages is None else self.stages
        maps = [pool(outputs.stages[stage], d, self.pool) for stage, d in zip(chosen, self.lengths, strict=True)]
        return (*maps, outputs.logits)

    def aligned(self, outputs: Outputs) -> Outputs:
        """The blocks as outputs with the same shapes for all networks; reading all stages gives the blocks again."""
        *maps, _ = self(outputs)
        return Outputs(logits=outputs.scores, stages=tuple(z[:, None, :, None] for z in maps))
