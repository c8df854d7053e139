"""EfficientNet-Lite 0 to 4 (released in github.com/tensorflow/tpu, models/official/efficientnet/lite).

EfficientNet (Tan and Le, ICML 2019) for phones: ReLU6 in place of Swish, no squeeze-and-excitation, and compound
scaling that leaves the stem, the head convolution and the depth of the first and last stages as they are. TensorFlow's
`same` padding and its BatchNorm epsilon, because the published weights were trained with them. Names and image sizes
are timm's.
"""

from __future__ import annotations

from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.compound_scaling import EFFICIENTNET, blocks, scale
from jdnet_jax.models.mobile_heads import ConvHead
from jdnet_jax.models.spec import COMMON_OPTIONS, InputSpec, Variant


def _variant(width: float, depth: float, size: int) -> Variant:
    return Variant(
        BlockNetwork,
        {
            "table": blocks(scale(EFFICIENTNET, width=width, depth=depth, fix_ends=True), "relu6"),
            "stem": 32,
            "activation": "relu6",
            "head": ConvHead(1280, "relu6"),
            "spec": InputSpec((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), size),
            "padding": "same",
            "epsilon": 1e-3,
        },
        COMMON_OPTIONS,
    )


VARIANTS = {
    "tf_efficientnet_lite0": _variant(1.0, 1.0, 224),
    "tf_efficientnet_lite1": _variant(1.0, 1.1, 240),
    "tf_efficientnet_lite2": _variant(1.1, 1.2, 260),
    "tf_efficientnet_lite3": _variant(1.2, 1.4, 300),
    "tf_efficientnet_lite4": _variant(1.4, 1.8, 380),
}
