"""GhostNet at width 1 (Han et al., CVPR 2020), as timm has it."""

from __future__ import annotations

from jdnet_jax.models.block_network import BlockNetwork, Table
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.ghost_bottleneck import GhostBottleneckSpec
from jdnet_jax.models.mobile_heads import HiddenHead
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant

_Block = GhostBottleneckSpec

# Table 7 of the paper; timm ends a stage after each block with a stride.
_TABLE: Table = (
    (_Block(16, 3, 1, 16, squeeze=False),),
    (_Block(24, 3, 2, 48, squeeze=False),),
    (_Block(24, 3, 1, 72, squeeze=False),),
    (_Block(40, 5, 2, 72, squeeze=True),),
    (_Block(40, 5, 1, 120, squeeze=True),),
    (_Block(80, 3, 2, 240, squeeze=False),),
    (
        _Block(80, 3, 1, 200, squeeze=False),
        _Block(80, 3, 1, 184, squeeze=False),
        _Block(80, 3, 1, 184, squeeze=False),
        _Block(112, 3, 1, 480, squeeze=True),
        _Block(112, 3, 1, 672, squeeze=True),
    ),
    (_Block(160, 5, 2, 672, squeeze=True),),
    (
        _Block(160, 5, 1, 960, squeeze=False),
        _Block(160, 5, 1, 960, squeeze=True),
        _Block(160, 5, 1, 960, squeeze=False),
        _Block(160, 5, 1, 960, squeeze=True),
    ),
    (ConvBlockSpec(960, 1, 1, "relu"),),
)

VARIANTS = {
    "ghostnet_100": Variant(
        BlockNetwork,
        {
            "table": _TABLE,
            "stem": 16,
            "activation": "relu",
            "head": HiddenHead(1280, "relu", norm=False),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224),
            "tap": "first",
        },
        COMMON_OPTIONS,
    ),
}
