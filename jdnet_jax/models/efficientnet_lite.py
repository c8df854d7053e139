"""EfficientNet-Lite 0, 1 and 2 (released in github.com/tensorflow/tpu, models/official/efficientnet/lite).

EfficientNet (Tan and Le, ICML 2019) for phones: ReLU6 in place of Swish, no squeeze-and-excitation, and compound
scaling that leaves the stem, the head convolution and the depth of the first and last stages as they are. TensorFlow's
`same` padding and its BatchNorm epsilon, because the published weights were trained with them. Names are timm's.
"""

from __future__ import annotations

from jdnet_jax.models.inverted_residual import InvertedResidualNet, StageSpec, scale
from jdnet_jax.models.spec import COMMON_OPTIONS, InputSpec, Variant

# EfficientNet-B0: table 1 of the paper.
_ROWS = (
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=1, channels=16),
    StageSpec(repeats=2, kernel_size=3, stride=2, expansion=6, channels=24),
    StageSpec(repeats=2, kernel_size=5, stride=2, expansion=6, channels=40),
    StageSpec(repeats=3, kernel_size=3, stride=2, expansion=6, channels=80),
    StageSpec(repeats=3, kernel_size=5, stride=1, expansion=6, channels=112),
    StageSpec(repeats=4, kernel_size=5, stride=2, expansion=6, channels=192),
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=6, channels=320),
)


def _variant(width: float, depth: float, size: int) -> Variant:
    return Variant(
        InvertedResidualNet,
        {
            "rows": scale(_ROWS, width=width, depth=depth, fix_ends=True),
            "stem": 32,
            "head": 1280,
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
}
