"""Core ML packages, as far as they can be looked at without an Apple system to run them."""

import dataclasses

import jax
import numpy as np
import pytest

from jdnet_jax import handoff
from jdnet_jax.export.exporter import Request, export
from jdnet_jax.handoff import model_card, sums

coremltools = pytest.importorskip("coremltools", reason="the extra [coreml] is not installed")
pytest.importorskip("stablehlo_coreml", reason="the extra [coreml] is not installed")

# coremltools leaves temporary folders to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")


@pytest.mark.parametrize("quantize", ["none", "float16"])
def test_a_package_has_the_students_inputs_outputs_and_weights(resnet, tmp_path, quantize):
    handoff.save(tmp_path / "student", resnet.variables, resnet.card)
    output = tmp_path / "student.mlpackage"
    request = Request(tmp_path / "student", "coreml", quantize, output, author="Me", licence="CC0")
    report = export(dataclasses.replace(request, outputs="probabilities+activation"))
    assert report.comparison is None
    assert "not compared with the student" in str(report)
    model = coremltools.models.MLModel(str(output), skip_model_load=True)
    description = model.get_spec().description
    shapes = {entry.name: tuple(entry.type.multiArrayType.shape) for entry in (*description.input, *description.output)}
    assert shapes == {"image": (1, 32, 32, 3), "probabilities": (1, 7), "activation": (1, 2, 2)}
    assert model.user_defined_metadata["classes"].split("\n") == list(resnet.card.classes)
    assert (model.author, model.license) == ("Me", "CC0")
    card = model_card.read(model_card.beside(output))
    assert (card.file_format, card.export["bytes"]) == ("coreml", report.size)
    assert "comparison" not in card.export
    assert sums.check(output)
    # The largest kernel is among the weights, in the chosen precision and Core ML's order [out, in, height, width].
    weights = (output / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").read_bytes()
    kernels = [leaf for leaf in jax.tree.leaves(resnet.function.network.params) if np.ndim(leaf) == 4]
    largest = np.asarray(max(kernels, key=np.size)).transpose(3, 2, 0, 1)
    assert largest.astype(np.float16 if quantize == "float16" else np.float32).tobytes() in weights


def test_a_transformer_is_converted(transformer, tmp_path):
    handoff.save(tmp_path / "student", transformer.variables, transformer.card)
    assert export(Request(tmp_path / "student", "coreml", "none", tmp_path / "s.mlpackage")).size > 1e5
