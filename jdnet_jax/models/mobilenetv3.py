"""MobileNetV3 large and small (Howard et al., ICCV 2019), at width 1.

`mobilenetv3_*` are timm's. `mobilenet_v3_*` are torchvision's, which differ in BatchNorm's epsilon and momentum: timm
has no network for its weights. Both pad symmetrically. The hidden layer after the pooling has no BatchNorm.
Initialisation: He fan-out for convolutions, as in timm and torchvision.
"""

from __future__ import annotations

from jdnet_jax.models.batch_norm import Activation
from jdnet_jax.models.block_network import BlockNetwork, Table
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.inverted_residual import InvertedResidualSpec, Squeeze
from jdnet_jax.models.mobile_heads import HiddenHead
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant

_SQUEEZE = Squeeze("expanded / 4", "relu", "hard_sigmoid")


def _stage(
    channels: int,
    kernel_size: int,
    stride: int,
    expansions: tuple[float, ...],
    activation: Activation,
    *,
    squeeze: bool = False,
) -> tuple[InvertedResidualSpec, ...]:
    """One block for each expansion; the first has the stride."""
    return tuple(
        InvertedResidualSpec(
            channels, kernel_size, stride if j == 0 else 1, expansion, activation, _SQUEEZE if squeeze else None
        )
        for j, expansion in enumerate(expansions)
    )


# Tables 1 and 2 of the paper, the expansions for each input channel.
_LARGE: Table = (
    _stage(16, 3, 1, (1,), "relu"),
    _stage(24, 3, 2, (4, 3), "relu"),
    _stage(40, 5, 2, (3, 3, 3), "relu", squeeze=True),
    _stage(80, 3, 2, (6, 2.5, 2.3, 2.3), "hard_swish"),
    _stage(112, 3, 1, (6, 6), "hard_swish", squeeze=True),
    _stage(160, 5, 2, (6, 6, 6), "hard_swish", squeeze=True),
    (ConvBlockSpec(960, 1, 1, "hard_swish"),),
)
_SMALL: Table = (
    _stage(16, 3, 2, (1,), "relu", squeeze=True),
    _stage(24, 3, 2, (4.5, 3.67), "relu"),
    _stage(40, 5, 2, (4, 6, 6), "hard_swish", squeeze=True),
    _stage(48, 5, 1, (3, 3), "hard_swish", squeeze=True),
    _stage(96, 5, 2, (6, 6, 6), "hard_swish", squeeze=True),
    (ConvBlockSpec(576, 1, 1, "hard_swish"),),
)


def _variant(table: Table, hidden: int, *, epsilon: float = 1e-5, momentum: float = 0.9) -> Variant:
    return Variant(
        BlockNetwork,
        {
            "table": table,
            "stem": 16,
            "activation": "hard_swish",
            "head": HiddenHead(hidden, "hard_swish", norm=False),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224),
            "padding": "symmetric",
            "epsilon": epsilon,
            "momentum": momentum,
        },
        COMMON_OPTIONS,
    )


VARIANTS = {
    "mobilenetv3_large_100": _variant(_LARGE, 1280),
    "mobilenetv3_small_100": _variant(_SMALL, 1024),
    "mobilenet_v3_large": _variant(_LARGE, 1280, epsilon=1e-3, momentum=0.99),
    "mobilenet_v3_small": _variant(_SMALL, 1024, epsilon=1e-3, momentum=0.99),
}
