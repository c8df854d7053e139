"""EfficientNet-B0, B3 and B4 (Tan and Le, ICML 2019).

Names and image sizes are timm's. The `tf_` variants have TensorFlow's `same` padding and its BatchNorm epsilon, for the
weights that the authors published; the others pad symmetrically, as torch does: timm's weights and torchvision's
were trained that way.
Initialisation: He fan-out for convolutions, as in the authors' code.
"""

from __future__ import annotations

from jdnet_jax.models.block import round_channels
from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.compound_scaling import EFFICIENTNET, blocks, scale
from jdnet_jax.models.inverted_residual import Squeeze
from jdnet_jax.models.mobile_heads import ConvHead
from jdnet_jax.models.spec import COMMON_OPTIONS, IMAGENET_MEAN, IMAGENET_STD, InputSpec, Variant

_SQUEEZE = Squeeze("input / 4", "silu", "sigmoid")


def _variant(width: float, depth: float, size: int, *, tensorflow: bool = False) -> Variant:
    return Variant(
        BlockNetwork,
        {
            "table": blocks(scale(EFFICIENTNET, width=width, depth=depth), "silu", _SQUEEZE),
            "stem": round_channels(32, width),
            "activation": "silu",
            "head": ConvHead(round_channels(1280, width), "silu"),
            "spec": InputSpec(IMAGENET_MEAN, IMAGENET_STD, size),
            "padding": "same" if tensorflow else "symmetric",
            "epsilon": 1e-3 if tensorflow else 1e-5,
        },
        COMMON_OPTIONS,
    )


VARIANTS = {
    "efficientnet_b0": _variant(1.0, 1.0, 224),
    "efficientnet_b3": _variant(1.2, 1.4, 288),
    "efficientnet_b4": _variant(1.4, 1.8, 320),
    "tf_efficientnet_b0": _variant(1.0, 1.0, 224, tensorflow=True),
    "tf_efficientnet_b3": _variant(1.2, 1.4, 300, tensorflow=True),
    "tf_efficientnet_b4": _variant(1.4, 1.8, 380, tensorflow=True),
}
