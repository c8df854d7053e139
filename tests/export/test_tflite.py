"""`to_tflite` and `tflite_file` together: what is in the files, and what they compute."""

import io
import zipfile
from collections import Counter

import jax
import numpy as np
import pytest

from jdnet_jax.export import tflite_metadata, to_tflite
from jdnet_jax.inference import tflite_runner
from jdnet_jax.process.errors import UserError
from tests.export.conftest import Student

pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")

from ai_edge_litert import schema_py_generated as schema

from jdnet_jax.export import tflite_file

TYPES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


class File:
    """An exported file, taken apart."""

    def __init__(self, student, quantize, outputs=("probabilities", "activation")):
        self.student = student
        self.card = student.card_of(file_format="tflite", dtype="float32" if quantize == "none" else quantize)
        calibration = student.images if quantize == "int8" else None
        self.converted = to_tflite.convert(student.function, quantize, calibration, outputs)
        self.content = tflite_file.finish(self.converted, self.card, "Somebody", "CC0", outputs)
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(self.content, 0))
        self.graph = self.model.subgraphs[0]

    def operators(self):
        """Each operator's name with the types of its inputs."""
        codes = [OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in self.model.operatorCodes]
        return [
            (codes[operator.opcodeIndex], [self.graph.tensors[i] for i in operator.inputs if i >= 0])
            for operator in self.graph.operators
        ]

    def names(self):
        return Counter(name for name, _ in self.operators())


@pytest.fixture(scope="module")
def floats(mobilenet):
    return File(mobilenet, "none")


@pytest.fixture(scope="module")
def int8(mobilenet):
    return File(mobilenet, "int8")


def test_a_file_of_floats_has_one_operator_for_each_layer(floats):
    found = floats.names()
    # 17 blocks, the first without expansion; stem, 16 expansions, 17 projections and the head; ten shortcuts.
    assert found["DEPTHWISE_CONV_2D"] == 17
    assert found["CONV_2D"] == 35
    assert found["ADD"] == 10
    # Nothing is left of BatchNorm: mean and deviation of the images are all that is subtracted and multiplied.
    assert found["SUB"] == found["MUL"] == 1
    assert found["SOFTMAX"] == found["ARG_MAX"] == 1
    others = found - Counter({"DEPTHWISE_CONV_2D": 17, "CONV_2D": 35, "ADD": 10, "PAD": 5})
    assert others.total() < 20  # pooling, classifier, softmax and the activation map
    assert {TYPES[tensor.type] for tensor in floats.graph.tensors} <= {"FLOAT32", "UINT8", "INT32"}


def test_a_file_of_floats_computes_what_the_student_does(floats):
    student = floats.student
    found = tflite_runner.TfliteRunner(floats.content, floats.card).run(student.images)
    expected = student.runner.run(student.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3)


def test_a_file_of_a_network_with_a_hidden_layer_behind_the_pooling(mobilenetv3):
    file = File(mobilenetv3, "none")
    found = file.names()
    assert found["DEPTHWISE_CONV_2D"] == 11
    parameters = 4 * sum(leaf.size for leaf in jax.tree.leaves(mobilenetv3.variables["params"]))
    assert len(file.content) < 1.02 * parameters  # the activation map shares the hidden layer's kernel
    computed = tflite_runner.TfliteRunner(file.content, file.card).run(mobilenetv3.images)
    expected = mobilenetv3.runner.run(mobilenetv3.images)
    assert np.sum(expected.activation.max(axis=(1, 2)) > 0) >= 2  # the others have nothing that speaks for the class
    np.testing.assert_allclose(computed.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    largest = expected.activation.max()
    np.testing.assert_allclose(computed.activation, expected.activation, rtol=1e-3, atol=1e-4 * largest)


def test_an_int8_file_has_weights_and_activations_of_8_bits(int8):
    found = int8.names()
    assert found["DEPTHWISE_CONV_2D"] == 17
    assert found["CONV_2D"] == 35
    for name, inputs in int8.operators():
        kinds = [TYPES[tensor.type] for tensor in inputs]
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            assert kinds == ["INT8", "INT8", "INT32"]
            channels = max(inputs[1].shape[0], inputs[1].shape[-1]) if name[0] == "D" else inputs[1].shape[0]
            assert len(inputs[1].quantization.scale) == channels
        elif name == "SOFTMAX":
            assert kinds == ["FLOAT32"]
        elif name in ("ADD", "SUB", "SUM", "RELU"):
            assert kinds[0] == "INT8"
    (image,) = (int8.graph.tensors[i] for i in int8.graph.inputs)
    assert TYPES[image.type] == "UINT8"
    assert (image.quantization.scale[0], image.quantization.zeroPoint[0]) == (1.0, 0)


@pytest.mark.parametrize("size", [32, 16])  # the last feature map of 16 pixels is one point
def test_an_int8_file_is_close_to_the_student(size):
    student = Student(image_size=size, shorter_side=36)
    file = File(student, "int8")
    found = tflite_runner.TfliteRunner(file.content, file.card).run(student.images)
    expected = student.runner.run(student.images)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)  # not rounded to steps of 1/256
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.05)
    same = found.probabilities.argmax(axis=1) == expected.probabilities.argmax(axis=1)
    assert same.sum() >= 5
    largest = expected.activation.max()
    np.testing.assert_allclose(found.activation[same], expected.activation[same], atol=0.1 * largest)


@pytest.mark.parametrize(("quantize", "kind"), [("float16", "FLOAT16"), ("dynamic", "INT8")])
def test_the_weights_alone_are_smaller(resnet, quantize, kind):
    file = File(resnet, quantize)
    kernels = [inputs[1] for name, inputs in file.operators() if name == "CONV_2D"]
    if quantize == "float16":  # as a constant in front of a DEQUANTIZE
        kernels = [inputs[0] for name, inputs in file.operators() if name == "DEQUANTIZE" and len(inputs[0].shape) == 4]
    large = [kernel for kernel in kernels if np.prod(kernel.shape) >= 1024]  # small ones stay as they are
    assert large
    assert {TYPES[kernel.type] for kernel in large} == {kind}
    found = tflite_runner.TfliteRunner(file.content, file.card).run(resnet.images)
    assert np.abs(found.probabilities - resnet.runner.run(resnet.images).probabilities).max() < 0.05


def test_inputs_and_outputs_have_names_and_a_signature(floats, int8):
    for file in (floats, int8):
        tensors = file.graph.tensors
        assert [tensors[i].name for i in (*file.graph.inputs, *file.graph.outputs)] == [
            b"image",
            b"probabilities",
            b"activation",
        ]
        (signature,) = file.model.signatureDefs
        assert [entry.name for entry in signature.outputs] == [b"probabilities", b"activation"]
    assert sum(tensor.name is not None for tensor in int8.graph.tensors) == 3
    assert all(tensor.name for tensor in floats.graph.tensors)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_file_of_probabilities_alone_has_nothing_of_the_map(resnet, quantize):
    file = File(resnet, quantize, ("probabilities",))
    assert [file.graph.tensors[i].name for i in file.graph.outputs] == [b"probabilities"]
    assert [entry.name for entry in file.model.signatureDefs[0].outputs] == [b"probabilities"]
    assert not {"ARG_MAX", "GATHER", "GATHER_ND", "BATCH_MATMUL"} & set(file.names())
    found = tflite_runner.TfliteRunner(file.content, file.card).run(resnet.images)
    assert found.activation is None
    both = File(resnet, quantize)
    expected = tflite_runner.TfliteRunner(both.content, both.card).run(resnet.images)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_the_map_has_four_dimensions(floats):
    assert floats.graph.tensors[floats.graph.outputs[1]].shape.tolist() == [1, 2, 2, 1]


def test_equal_vectors_are_written_once_and_buffers_are_aligned(int8):
    assert len(int8.content) < 0.95 * len(int8.converted)
    packed = schema.Model.GetRootAs(int8.content, 0)
    for i in range(packed.BuffersLength()):
        buffer = packed.Buffers(i)
        if buffer.DataLength():
            table = buffer._tab
            assert table.Vector(table.Offset(4)) % 16 == 0


def test_two_exports_are_the_same_bytes(resnet, monkeypatch):
    first = File(resnet, "none").content
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert File(resnet, "none").content == first


def test_labels_and_metadata_are_in_the_file(floats):
    with zipfile.ZipFile(io.BytesIO(floats.content)) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == (tflite_metadata.LABELS, zipfile.ZIP_STORED)
        assert archive.read(entry).decode().split("\n")[:-1] == list(floats.card.classes)
    (place,) = (entry.buffer for entry in floats.model.metadata if entry.name == b"TFLITE_METADATA")
    expected = tflite_metadata.metadata(floats.card, "Somebody", "CC0", ["probabilities", "activation"])
    assert floats.model.buffers[place].data.tobytes() == expected


def test_a_damaged_file_and_other_classes_are_refused(tmp_path, floats):
    path = tmp_path / "student.tflite"
    for content in (b"", b"no model", floats.content[: len(floats.content) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"student.tflite is no TFLite file of this project, or damaged"):
            tflite_runner.load(path, floats.card)
    path.write_bytes(floats.content)
    with pytest.raises(UserError, match="it has 7 classes, not 2"):
        tflite_runner.load(path, floats.student.card_of(classes=("a", "b")))
    with pytest.raises(UserError, match=r"nowhere.tflite cannot be read"):
        tflite_runner.load(tmp_path / "nowhere.tflite", floats.card)


def test_a_transformer_computes_what_the_student_does(transformer):
    file = File(transformer, "none")
    found = file.names()
    # Patches are a convolution; a block has two products of attention, a softmax and four linear layers.
    assert (found["CONV_2D"], found["BATCH_MATMUL"], found["SOFTMAX"]) == (1, 4, 3)
    assert found["FULLY_CONNECTED"] <= 2 * 5 + 1
    result = tflite_runner.TfliteRunner(file.content, file.card).run(transformer.images)
    expected = transformer.runner.run(transformer.images)
    np.testing.assert_allclose(result.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(result.activation, expected.activation, rtol=1e-3, atol=1e-5)


def test_a_network_of_two_parts_takes_photo_and_mask(rvernet, tmp_path):
    file = File(rvernet, "none")
    assert [
        (entry.name, tuple(file.graph.tensors[entry.tensorIndex].shape)) for entry in file.model.signatureDefs[0].inputs
    ] == [
        (b"image", (1, 32, 32, 3)),
        (b"mask", (1, 32, 32, 1)),
    ]
    assert [TYPES[file.graph.tensors[i].type] for i in file.graph.inputs] == ["UINT8", "UINT8"]
    (tmp_path / "student.tflite").write_bytes(file.content)
    found = tflite_runner.load(tmp_path / "student.tflite", file.card).run(rvernet.images)
    expected = rvernet.runner.run(rvernet.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3)
