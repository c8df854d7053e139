"""A SavedModel for TensorFlow on CPUs, CUDA GPUs and TPUs, any number of photos at a time; XLA compiles it there."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from jax.experimental import jax2tf

from jdnet_jax.export import to_stablehlo
from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.files.plain_path import without_patterns
from jdnet_jax.models import lowering


def write(function: InferenceFunction, folder: Path) -> None:
    """Writes the SavedModel; its signature `serving_default` maps `image` to `probabilities` and `activation`.

    Args:
        function: what to convert.
        folder: where to; it exists and is empty.
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
        return {"probabilities": probabilities, "activation": activation}

    module = tf.Module()
    module.serve = tf.function(
        serve, input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, "image")], autograph=False
    )
    with lowering.for_platform(lowering.ANY), without_patterns(folder) as place:
        tf.saved_model.save(module, str(place), signatures={"serving_default": module.serve})
