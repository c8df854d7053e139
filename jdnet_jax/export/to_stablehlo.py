"""StableHLO as `jax.export` writes it: one file for CPUs, CUDA GPUs and TPUs, any number of photos at a time."""

from __future__ import annotations

import jax
import jax.export
import jax.numpy as jnp

from jdnet_jax.export.inference_function import InferenceFunction

PLATFORMS = ("cpu", "cuda", "tpu")


def convert(function: InferenceFunction) -> bytes:
    """The file's content: a function from images uint8 [batch, size, size, 3] to probabilities and activation maps.

    `jax.export.deserialize` reads it, of this version of JAX and, as JAX promises, of those of half a year after it.
    """
    size = function.card.image_size
    shape = jax.export.symbolic_shape(f"batch, {size}, {size}, 3")
    exported = jax.export.export(jax.jit(function), platforms=PLATFORMS)(jax.ShapeDtypeStruct(shape, jnp.uint8))
    return bytes(exported.serialize())
