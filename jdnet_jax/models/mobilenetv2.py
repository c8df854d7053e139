"""MobileNetV2 (Sandler et al., CVPR 2018), in the sizes of timm.

Convolutions pad symmetrically, as in torch; timm's published weights were trained that way. The `d` variants (timm) are
deeper, and leave the stem, the head convolution and the depth of the first and last stages unscaled.
"""

from __future__ import annotations

from jdnet_jax.models.block import round_channels
from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.compound_scaling import Row, blocks, scale
from jdnet_jax.models.mobile_heads import ConvHead
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant

# Table 2 of the paper.
_ROWS = (
    Row(repeats=1, kernel_size=3, stride=1, expansion=1, channels=16),
    Row(repeats=2, kernel_size=3, stride=2, expansion=6, channels=24),
    Row(repeats=3, kernel_size=3, stride=2, expansion=6, channels=32),
    Row(repeats=4, kernel_size=3, stride=2, expansion=6, channels=64),
    Row(repeats=3, kernel_size=3, stride=1, expansion=6, channels=96),
    Row(repeats=3, kernel_size=3, stride=2, expansion=6, channels=160),
    Row(repeats=1, kernel_size=3, stride=1, expansion=6, channels=320),
)


def _variant(width: float, *, depth: float = 1.0, fix_ends: bool = False) -> Variant:
    # The head convolution is never narrower than at width 1 (section 4 of the paper).
    head = 1280 if fix_ends else max(1280, round_channels(1280, width))
    return Variant(
        BlockNetwork,
        {
            "table": blocks(scale(_ROWS, width=width, depth=depth, fix_ends=fix_ends), "relu6"),
            "stem": 32 if fix_ends else round_channels(32, width),
            "activation": "relu6",
            "head": ConvHead(head, "relu6"),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224),
        },
        COMMON_OPTIONS,
    )


VARIANTS = {
    "mobilenetv2_035": _variant(0.35),
    "mobilenetv2_050": _variant(0.5),
    "mobilenetv2_075": _variant(0.75),
    "mobilenetv2_100": _variant(1.0),
    "mobilenetv2_110d": _variant(1.1, depth=1.2, fix_ends=True),
    "mobilenetv2_120d": _variant(1.2, depth=1.4, fix_ends=True),
    "mobilenetv2_140": _variant(1.4),
}
