"""MobileNetV4 conv small and medium (Qin et al., ECCV 2024), as timm has them.

Convolutions pad symmetrically, as in torch. The hidden layer after the pooling has a BatchNorm.
"""

from __future__ import annotations

from jdnet_jax.models.block_network import BlockNetwork, Table
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.mobile_heads import HiddenHead
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant
from jdnet_jax.models.universal_inverted_bottleneck import FusedInvertedBottleneckSpec, UniversalInvertedBottleneckSpec


def _stage(channels: int, *blocks: tuple[int, int, float]) -> tuple[UniversalInvertedBottleneckSpec, ...]:
    """A stage from (start, middle, expansion) of each block; the first has stride 2."""
    return tuple(
        UniversalInvertedBottleneckSpec(channels, start, middle, 2 if j == 0 else 1, expansion)
        for j, (start, middle, expansion) in enumerate(blocks)
    )


# The tables of MNv4-Conv-S and MNv4-Conv-M in the paper's appendix.
_SMALL: Table = (
    (ConvBlockSpec(32, 3, 2, "relu"), ConvBlockSpec(32, 1, 1, "relu")),
    (ConvBlockSpec(96, 3, 2, "relu"), ConvBlockSpec(64, 1, 1, "relu")),
    _stage(96, (5, 5, 3), (0, 3, 2), (0, 3, 2), (0, 3, 2), (0, 3, 2), (3, 0, 4)),
    _stage(128, (3, 3, 6), (5, 5, 4), (0, 5, 4), (0, 5, 3), (0, 3, 4), (0, 3, 4)),
    (ConvBlockSpec(960, 1, 1, "relu"),),
)
_MEDIUM: Table = (
    (FusedInvertedBottleneckSpec(48, 3, 2, 4),),
    _stage(80, (3, 5, 4), (3, 3, 2)),
    _stage(160, (3, 5, 6), (3, 3, 4), (3, 3, 4), (3, 5, 4), (3, 3, 4), (3, 0, 4), (0, 0, 2), (3, 0, 4)),
    _stage(
        256,
        (5, 5, 6),
        (5, 5, 4),
        (3, 5, 4),
        (3, 5, 4),
        (0, 0, 4),
        (3, 0, 4),
        (3, 5, 2),
        (5, 5, 4),
        (0, 0, 4),
        (0, 0, 4),
        (5, 0, 2),
    ),
    (ConvBlockSpec(960, 1, 1, "relu"),),
)


def _variant(table: Table, size: int) -> Variant:
    return Variant(
        BlockNetwork,
        {
            "table": table,
            "stem": 32,
            "activation": "relu",
            "head": HiddenHead(1280, "relu", norm=True),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, size),
            "padding": "symmetric",
            "epsilon": 1e-5,
        },
        COMMON_OPTIONS,
    )


VARIANTS = {
    "mobilenetv4_conv_small": _variant(_SMALL, 224),
    "mobilenetv4_conv_medium": _variant(_MEDIUM, 256),
}
