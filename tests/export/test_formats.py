import pytest

from jdnet_jax.export import formats
from jdnet_jax.process.errors import UserError


def test_formats_and_how_they_are_quantised():
    assert formats.check("stablehlo", "none").suffix == ".stablehlo"
    assert formats.check("saved_model", "none").suffix == ""
    assert set(formats.FORMATS["tflite"].quantizations) == set(formats.DTYPES)


@pytest.mark.parametrize(
    ("name", "quantize", "message"),
    [
        ("tflight", "none", r"--format=tflight is unknown; choose one of tflite, stablehlo, saved_model, onnx, core"),
        ("tflite", "int4", r"--quantize=int4 is unknown; choose one of none, float16, dynamic, int8"),
        ("stablehlo", "int8", r"--format=stablehlo has no --quantize=int8; tflite has, or leave it at none"),
    ],
)
def test_what_cannot_be_had_is_named(name, quantize, message):
    with pytest.raises(UserError, match=message):
        formats.check(name, quantize)


def test_outputs_that_cannot_be_had_are_named():
    assert formats.check("tflite", "none").outputs[0] == "probabilities"
    formats.check("onnx", "none", "probabilities+activation")
    with pytest.raises(UserError, match=r"--format=stablehlo has no --outputs=probabilities; choose prob"):
        formats.check("stablehlo", "none", "probabilities")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--format=onnx needs onnx and onnxruntime: pip install 'jdnet-jax\[onnx\]'"):
        formats.check("onnx", "none")
    assert formats.check("safetensors", "none").extra == ""
