"""MobileNetV2 (Sandler et al., CVPR 2018), in the sizes of timm.

Convolutions pad symmetrically, as in torch; timm's published weights were trained that way. The `d` variants (timm) are
deeper, and leave the stem, the head convolution and the depth of the first and last stages unscaled.
"""

from __future__ import annotations

from jdnet_jax.models.inverted_residual import InvertedResidualNet, StageSpec, round_channels, scale
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant

# Table 2 of the paper.
_ROWS = (
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=1, channels=16),
    StageSpec(repeats=2, kernel_size=3, stride=2, expansion=6, channels=24),
    StageSpec(repeats=3, kernel_size=3, stride=2, expansion=6, channels=32),
    StageSpec(repeats=4, kernel_size=3, stride=2, expansion=6, channels=64),
    StageSpec(repeats=3, kernel_size=3, stride=1, expansion=6, channels=96),
    StageSpec(repeats=3, kernel_size=3, stride=2, expansion=6, channels=160),
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=6, channels=320),
)


def _variant(width: float, *, depth: float = 1.0, fix_ends: bool = False) -> Variant:
    return Variant(
        InvertedResidualNet,
        {
            "rows": scale(_ROWS, width=width, depth=depth, fix_ends=fix_ends),
            "stem": 32 if fix_ends else round_channels(32, width),
            # The head convolution is never narrower than at width 1 (section 4 of the paper).
            "head": 1280 if fix_ends else max(1280, round_channels(1280, width)),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, 224),
            "padding": "symmetric",
            "epsilon": 1e-5,
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
