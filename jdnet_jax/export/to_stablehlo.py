"""StableHLO as `jax.export` writes it: one file for CPUs, CUDA GPUs and TPUs, any number of photos at a time."""

from __future__ import annotations

import jax
import jax.export
import jax.numpy as jnp

from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.models import lowering

PLATFORMS = ("cpu", "cuda", "tpu")


def convert(function: InferenceFunction) -> bytes:
    """The file's content: a function from images uint8 [batch, size, size, 3] to probabilities and activation maps.

    Of a model of `roi+context` it takes a mask, uint8 [batch, size, size, 1], after the images.

    `jax.export.deserialize` reads it, in this version of JAX and, as JAX promises, in versions up to half a year newer.
    """
    size = function.card.image_size
    (batch,) = jax.export.symbolic_shape("batch")
    shapes = [(batch, size, size, channels) for channels in function.inputs.values()]
    arguments = [jax.ShapeDtypeStruct(shape, jnp.uint8) for shape in shapes]
    with lowering.for_platform(lowering.ANY):
        exported = jax.export.export(jax.jit(lambda *images: function(*images)), platforms=PLATFORMS)(*arguments)
    return bytes(exported.serialize())
