"""TFLite (LiteRT) files, in floating point or quantised after training.

`float16` halves the weights alone. `dynamic` has weights of 8 bits, which the runtime multiplies with activations that
it quantises as it goes. `int8` has weights, one scale for each output channel, and activations of 8 bits, whose ranges
are those seen on calibration pictures; only the softmax over the classes is in floating point (`tflite_file`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jax.experimental import jax2tf
from jaxtyping import UInt8

from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.models import lowering
from jdnet_jax.process.native_output import captured


def convert(
    function: InferenceFunction,
    quantize: str,
    calibration: UInt8[np.ndarray, "n size size 3"] | None,
    outputs: Sequence[str],
) -> bytes:
    """Converts for photos one at a time, as TFLite has no free batch size.

    Args:
        function: what to convert.
        quantize: one of `formats.FORMATS["tflite"].quantizations`.
        calibration: views of photos, for `int8`.
        outputs: `probabilities`, in whose place the model returns logits, and perhaps `activation`.

    Returns:
        a model from an image uint8 [1, size, size, 3], and of `roi+context` a mask uint8 [1, size, size, 1], to logits
        [1, classes] and, where asked for, the activation map [1, h, w, 1], both float32.
    """
    # The quantiser makes a float input uint8, and the normalisation after it a matter of scales.
    dtype = tf.float32 if quantize == "int8" else tf.uint8
    size = function.card.image_size

    def results(*arguments: Any) -> tuple[Any, ...]:
        logits, activation = function.logits(*arguments)
        # Of four dimensions, as tools for TFLite take a feature map to be.
        return (logits, activation[..., None])[: len(outputs)]

    with lowering.plain():
        traced = tf.function(
            jax2tf.convert(results, with_gradient=False),
            input_signature=[tf.TensorSpec([1, size, size, channels], dtype) for channels in function.inputs.values()],
            autograph=False,
        )
        concrete = traced.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], traced)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        assert calibration is not None
        converter.representative_dataset = lambda: _samples(calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    with warnings.catch_warnings(), captured():
        # "Statistics for quantized inputs were expected": only quantisation-aware training has them beforehand.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"tensorflow\.lite")
        return converter.convert()


def _samples(images: UInt8[np.ndarray, "n size size 3"]) -> Iterator[list[np.ndarray]]:
    """Each picture with one black and one white pixel, so that the input's range is 0 to 255 and its scale 1."""
    for image in images.astype(np.float32):
        image[0, 0], image[0, 1] = 0, 255
        yield [image[None]]
