"""Tables of inverted residual blocks, and their scaling in width and depth (Tan and Le, ICML 2019)."""

from __future__ import annotations

import dataclasses
import math

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block import round_channels
from jdnet_jax.models.inverted_residual import InvertedResidualSpec, Squeeze


@dataclasses.dataclass(frozen=True)
class Row:
    """A stage: `repeats` blocks of `channels` outputs; the first of them has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


Rows = tuple[Row, ...]

#: EfficientNet-B0: table 1 of the paper.
EFFICIENTNET: Rows = (
    Row(repeats=1, kernel_size=3, stride=1, expansion=1, channels=16),
    Row(repeats=2, kernel_size=3, stride=2, expansion=6, channels=24),
    Row(repeats=2, kernel_size=5, stride=2, expansion=6, channels=40),
    Row(repeats=3, kernel_size=3, stride=2, expansion=6, channels=80),
    Row(repeats=3, kernel_size=5, stride=1, expansion=6, channels=112),
    Row(repeats=4, kernel_size=5, stride=2, expansion=6, channels=192),
    Row(repeats=1, kernel_size=3, stride=1, expansion=6, channels=320),
)


def scale(rows: Rows, *, width: float, depth: float = 1.0, fix_ends: bool = False) -> Rows:
    """The table `rows` with channels and repeats multiplied.

    Args:
        rows: the table of the network at width and depth 1.
        width: multiplies channels, rounded by `round_channels`.
        depth: multiplies repeats, rounded up.
        fix_ends: leave the repeats of the first and the last row as they are.
    """
    last = len(rows) - 1
    return tuple(
        dataclasses.replace(
            row,
            channels=round_channels(row.channels, width),
            repeats=row.repeats if fix_ends and i in (0, last) else math.ceil(row.repeats * depth),
        )
        for i, row in enumerate(rows)
    )


def blocks(
    rows: Rows, activation: Activation, squeeze: Squeeze | None = None
) -> tuple[tuple[InvertedResidualSpec, ...], ...]:
    """The blocks of each stage."""
    return tuple(
        tuple(
            InvertedResidualSpec(
                row.channels, row.kernel_size, row.stride if j == 0 else 1, row.expansion, activation, squeeze
            )
            for j in range(row.repeats)
        )
        for row in rows
    )
