"""Core ML packages (ML programs, iOS 18 and macOS 15 or newer) for one photo at a time, from StableHLO.

They can be written on any system, but run only on Apple's: a file that was written elsewhere is not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import coremltools
import jax
import jax.export
import jax.numpy as jnp
import stablehlo_coreml
from jax.interpreters import mlir
from jaxlib.mlir import ir

from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.models import lowering
from jdnet_jax.process.native_output import captured

_TARGET = coremltools.target.iOS18  # the first that the converter of StableHLO writes for


def write(
    function: InferenceFunction, folder: Path, quantize: str, author: str, licence: str, outputs: Sequence[str]
) -> None:
    """Writes the package; its input is `image`, float32 [1, size, size, 3] in [0, 255].

    Args:
        function: what to convert.
        folder: the package, whose name ends in `.mlpackage`.
        quantize: `none`, or `float16`, in which it then also computes.
        author: for the metadata.
        licence: for the metadata.
        outputs: `probabilities`, and perhaps `activation`.
    """
    card = function.card
    shape = jax.ShapeDtypeStruct((1, card.image_size, card.image_size, 3), jnp.float32)
    with lowering.plain():
        exported = jax.export.export(jax.jit(lambda image: function(image)[: len(outputs)]), platforms=["cpu"])(shape)
    module = ir.Module.parse(exported.mlir_module(), context=mlir.make_ir_context())
    precision = coremltools.precision.FLOAT16 if quantize == "float16" else coremltools.precision.FLOAT32
    with captured():
        model = coremltools.convert(
            stablehlo_coreml.convert(module, minimum_deployment_target=_TARGET),
            source="milinternal",
            minimum_deployment_target=_TARGET,
            pass_pipeline=stablehlo_coreml.build_pass_pipeline(),
            compute_precision=precision,
            skip_model_load=True,
        )
    spec = model.get_spec()
    old = [spec.description.input[0].name, *(output.name for output in spec.description.output)]
    for name, new in zip(old, ("image", *outputs), strict=True):
        coremltools.utils.rename_feature(spec, name, new)
    model = coremltools.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
    model.short_description = f"{card.model}, {len(card.classes)} classes, exported by jdnet_jax"
    model.author, model.license = author, licence
    model.user_defined_metadata["classes"] = "\n".join(card.classes)
    model.save(str(folder))
