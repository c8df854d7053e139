"""Post-processing of a converted TFLite model: softmax, names, metadata, and sharing of equal buffers."""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from jdnet_jax.export import tflite_metadata
from jdnet_jax.handoff.model_card import ModelCard

_FILE_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # of buffers: the schema's
INPUT, MASK = "image", "mask"


def finish(converted: bytes, card: ModelCard, author: str, licence: str, outputs: Sequence[str]) -> bytes:
    """The final file, from the converter's.

    Args:
        converted: a model from images to logits and, where it is an output, the activation map.
        card: the model card.
        author: for the metadata.
        licence: for the metadata.
        outputs: names of the model's outputs.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converted, 0))
    graph = model.subgraphs[0]
    _add_softmax(model, card.temperature)
    # The channels distinguish a photo from a mask, in whatever order the converter leaves them.
    inputs = {MASK if graph.tensors[i].shape[-1] == 1 else INPUT: i for i in graph.inputs}
    graph.inputs = np.array([inputs[name] for name in (INPUT, MASK) if name in inputs], np.int32)
    named = {name: int(i) for name, i in (*inputs.items(), *zip(outputs, graph.outputs, strict=True))}
    for i, tensor in enumerate(graph.tensors):
        # Inner tensors are named after the Flax modules: of use to those who look for an operation in a file of
        # floats, and half a per cent of a quantised one.
        if i not in named.values() and card.dtype != "float32":
            tensor.name = None
    for name, i in named.items():
        graph.tensors[i].name = name
    model.signatureDefs = [_signature(named, outputs)]
    model.description = f"{card.model} exported by jdnet_jax"
    model.metadata.append(_metadata(model, tflite_metadata.metadata(card, author, licence, outputs)))
    builder = _SharingBuilder(1024)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return tflite_metadata.append_labels(bytes(builder.Output()), card.classes)


def _add_softmax(model: schema.ModelT, temperature: float) -> None:
    """Turns the logits, the first output, into probabilities, in floating point.

    A converter that quantises the softmax leaves probabilities in steps of 1/256, in which most of the five best
    classes are equal: on Grocery Store that cost 0.6 to 0.9 points of top-5.
    """
    graph = model.subgraphs[0]
    logits = graph.outputs[0]
    result = schema.TensorT()
    result.shape = np.array(graph.tensors[logits].shape, np.int32)
    result.type = schema.TensorType.FLOAT32
    result.buffer = 0  # the empty one: it is computed
    graph.tensors.append(result)

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SOFTMAX
    code.version = 1
    model.operatorCodes.append(code)
    softmax = schema.OperatorT()
    softmax.opcodeIndex = len(model.operatorCodes) - 1
    softmax.inputs = np.array([logits], np.int32)
    softmax.outputs = np.array([len(graph.tensors) - 1], np.int32)
    softmax.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    softmax.builtinOptions = schema.SoftmaxOptionsT()
    softmax.builtinOptions.beta = 1 / temperature
    graph.operators.append(softmax)
    graph.outputs = np.array([softmax.outputs[0], *graph.outputs[1:]], np.int32)


def _signature(named: dict[str, int], outputs: Sequence[str]) -> schema.SignatureDefT:
    def entry(name: str) -> schema.TensorMapT:
        result = schema.TensorMapT()
        result.name, result.tensorIndex = name, named[name]
        return result

    signature = schema.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs = [entry(name) for name in (INPUT, MASK) if name in named]
    signature.outputs = [entry(name) for name in outputs]
    return signature


def _metadata(model: schema.ModelT, content: bytes) -> schema.MetadataT:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = tflite_metadata.NAME, len(model.buffers) - 1
    return entry


class _SharingBuilder(flatbuffers.Builder):
    """A builder that writes equal vectors once.

    A tensor that is quantised channel by channel has a zero point for each channel, eight bytes that are zero; there
    are as many of them as biases, and again as many for the biases themselves.
    """

    def __init__(self, size: int):
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        """The offset of a vector with this content."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        """Begins a vector; the generated code forgets the alignment that the schema asks for in buffers."""
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)
