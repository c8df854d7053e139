"""Near-duplicates: photos of different splits that are nearly the same picture, on which a test measures memory.

Each photo is reduced to 64 bits that tell where it becomes brighter from left to right (the "difference hash" of
N. Krawetz, hackerfactor.com, 2013). Measured on the photos of the Grocery Store Dataset: more than 99 % of the copies
of 220 photos, in half the size, in JPEG quality 50, in both (quality 30) or a tenth brighter, differ in 5 bits at
most; of its 8.1 million pairs of photos across splits none comes nearer than 9. A copy that lacks 3 % of each edge is
mostly missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import UInt8, UInt64
from PIL import Image

MAX_DISTANCE = 5  # bits of 64

_COMPARISONS_AT_A_TIME = 1 << 22  # 32 MB


def difference_hash(pixels: UInt8[np.ndarray, "height width 3"]) -> int:
    """64 bits: whether each pixel of the photo, shrunk to 9 x 8 greys, is darker than its right neighbour."""
    greys = np.asarray(Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(greys[:, :-1] < greys[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")


def pairs_across(
    hashes: Mapping[str, UInt64[np.ndarray, " n"]], max_distance: int = MAX_DISTANCE
) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Photos of different splits whose hashes differ in at most `max_distance` bits, as pairs of (split, position).

    Every photo of a split is compared with every one of the others. 10,000 photos, a fifth of them held out, take a
    tenth of a second on one core; ten times as many take a hundred times as long, in the same memory.

    Args:
        hashes: the hashes of each split.
        max_distance: 0 to 64.
    """
    pairs = []
    for (first, a), (second, b) in itertools.combinations(hashes.items(), 2):
        pairs += [((first, i), (second, j)) for i, j in _pairs(a, b, max_distance)]
    return pairs


def pairs_within(
    hashes: Mapping[str, UInt64[np.ndarray, " n"]], max_distance: int = MAX_DISTANCE
) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Photos of one split whose hashes differ in at most `max_distance` bits, each pair once."""
    return [
        ((split, i), (split, j))
        for split, members in hashes.items()
        for i, j in _pairs(members, members, max_distance)
        if i < j
    ]


def _pairs(a: UInt64[np.ndarray, " n"], b: UInt64[np.ndarray, " m"], max_distance: int) -> Iterator[tuple[int, int]]:
    rows = max(1, _COMPARISONS_AT_A_TIME // max(1, len(b)))
    for begin in range(0, len(a), rows):
        distances = np.bitwise_count(a[begin : begin + rows, None] ^ b[None, :])
        for i, j in np.argwhere(distances <= max_distance):
            yield begin + int(i), int(j)
