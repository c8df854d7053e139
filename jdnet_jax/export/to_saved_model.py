"""A SavedModel for TensorFlow on CPUs, CUDA GPUs and TPUs, any number of photos at a time; XLA compiles it there."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from jax.experimental import jax2tf
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from tensorflow.core.framework import attr_value_pb2

from jdnet_jax.export import to_stablehlo
from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.files.plain_path import without_patterns
from jdnet_jax.models import lowering

# TensorFlow 2.21 reads StableHLO up to 1.13.7, and JAX from 0.11 on writes a later version.
_STABLEHLO = "1.13.0"


def write(function: InferenceFunction, folder: Path) -> None:
    """Writes the SavedModel; its signature `serving_default` maps `image` to `probabilities` and `activation`.

    Args:
        function: what to convert.
        folder: the folder to fill; it exists and is empty.
    """
    size = function.card.image_size
    converted = jax2tf.convert(
        lambda *images: function(*images),
        polymorphic_shapes=[f"(batch, {size}, {size}, 3)"],
        with_gradient=False,
        native_serialization_platforms=to_stablehlo.PLATFORMS,
    )

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities, activation = converted(image)
        for operation in probabilities.graph.get_operations():
            if operation.type == "XlaCallModule":
                program = attr_value_pb2.AttrValue(s=_of_older_version(operation.get_attr("module")))
                operation._set_attr("module", program)  # jax2tf has no argument for the version
        return {"probabilities": probabilities, "activation": activation}

    module = tf.Module()
    module.serve = tf.function(
        serve, input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, "image")], autograph=False
    )
    with lowering.for_platform(lowering.ANY), without_patterns(folder) as place:
        tf.saved_model.save(module, str(place), signatures={"serving_default": module.serve})


def _of_older_version(program: bytes) -> bytes:
    """A portable artifact of StableHLO in an older version that TensorFlow reads."""
    with ir.Context() as context:
        stablehlo.register_dialect(context)
        module = stablehlo.deserialize_portable_artifact_str(program)
        return stablehlo.serialize_portable_artifact_str(module, _STABLEHLO)
