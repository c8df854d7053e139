"""ONNX files, any number of photos at a time.

JAX traces the function, one operation for a layer, and each operation is written as ONNX's. Only the operations of
the zoo's networks with BatchNorm are supported: transformers and ConvNeXt cannot be written. Feature maps, the
values of rank 4, are NHWC in JAX and NCHW in ONNX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax.extend.core import Literal
from onnx import helper, numpy_helper

from jdnet_jax import __version__
from jdnet_jax.export.inference_function import InferenceFunction
from jdnet_jax.models import lowering

OPSET, _IR_VERSION = 17, 8  # of 2022: what ONNX Runtime 1.13 and every later one reads

_TO_NCHW = (0, 3, 1, 2)


def convert(function: InferenceFunction, author: str, licence: str) -> bytes:
    """The file's content: a model from `image` uint8 [batch, size, size, 3] to `probabilities` and `activation`.

    Args:
        function: what to convert.
        author: for the metadata.
        licence: for the metadata.

    Raises:
        NotImplementedError: an operation that no network with BatchNorm has.
    """
    card = function.card
    size = card.image_size
    shape = jax.export.symbolic_shape(f"batch, {size}, {size}, 3")
    with lowering.plain():
        traced = jax.make_jaxpr(function.logits)(jax.ShapeDtypeStruct(shape, jnp.uint8))
    graph = _Graph()
    image = graph.add("Transpose", ["image"], perm=_TO_NCHW)
    logits, activation = graph.run(traced.jaxpr, traced.consts, [image])
    scaled = graph.add("Div", [logits, np.array(card.temperature, np.float32)])
    graph.add("Softmax", [scaled], ["probabilities"], axis=-1)
    graph.add("Identity", [activation], ["activation"])
    grid = [int(side) for side in traced.out_avals[1].shape[1:]]
    float32, uint8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            card.model,
            [helper.make_tensor_value_info("image", uint8, ["batch", size, size, 3])],
            [
                helper.make_tensor_value_info("probabilities", float32, ["batch", len(card.classes)]),
                helper.make_tensor_value_info("activation", float32, ["batch", *grid]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="jdnet_jax",
        producer_version=__version__,
    )
    helper.set_model_props(model, {"model.json": card.to_json(), "author": author, "license": licence})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


@dataclasses.dataclass(frozen=True)
class _Value:
    """A value of the graph, by its name."""

    name: str


#: The value of a variable of the traced function: a constant, in JAX's layout, or a value of the graph, in ONNX's.
_Operand = np.ndarray | _Value


class _Graph:
    """A graph being built: nodes and constants in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op: str, inputs: Sequence[str | _Value | np.ndarray], outputs: Sequence[str] = (), **attributes: Any):
        """Appends a node and returns its value. Constants among its inputs are in ONNX's layout."""
        names = list(outputs) or [f"v{len(self.nodes)}"]
        self.nodes.append(helper.make_node(op, [self._name(value) for value in inputs], names, **attributes))
        return _Value(names[0])

    def run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[_Operand]) -> list[_Operand]:
        """Appends the operations of a traced function, and returns its results."""
        known: dict[Any, _Operand] = {}

        def value(atom: Any) -> _Operand:
            # A literal number does not tell its dtype: Python may hold it in more bits.
            dtype = atom.aval.dtype
            return np.asarray(atom.val, dtype) if isinstance(atom, Literal) else known[atom]

        known.update(zip(jaxpr.constvars, map(np.asarray, constants), strict=True))
        known.update(zip(jaxpr.invars, arguments, strict=True))
        for equation in jaxpr.eqns:
            known.update(zip(equation.outvars, self._results(equation, [*map(value, equation.invars)]), strict=True))
        return [value(atom) for atom in jaxpr.outvars]

    def _results(self, equation: Any, operands: list[_Operand]) -> Sequence[_Operand]:
        name, parameters = equation.primitive.name, equation.params
        if all(isinstance(operand, np.ndarray) for operand in operands):
            if name == "broadcast_in_dim":  # ONNX broadcasts a constant over the batch
                parameters = {**parameters, "shape": tuple(s if isinstance(s, int) else 1 for s in parameters["shape"])}
            results = equation.primitive.bind(*operands, **parameters)
            return [np.asarray(each) for each in (results if equation.primitive.multiple_results else [results])]
        if name == "jit" and parameters["name"] == "clip" and not any(isinstance(x, _Value) for x in operands[1:]):
            return [self.add("Clip", operands)]  # one operation, which runtimes join with the convolution before it
        if name in ("jit", "custom_jvp_call"):
            inner = parameters["jaxpr" if name == "jit" else "call_jaxpr"]
            return self.run(inner.jaxpr, inner.consts, operands)
        if name not in _WRITERS:
            raise NotImplementedError(f"{name} has no form in ONNX here")
        return [_WRITERS[name](self, equation, operands)]

    def _name(self, value: str | _Operand) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, _Value):
            return value.name
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


_Writer = Callable[[_Graph, Any, list[_Operand]], _Value]


def _laid_out(operand: _Operand) -> _Operand:
    """A constant in ONNX's layout."""
    if isinstance(operand, np.ndarray) and operand.ndim == 4:
        return operand.transpose(_TO_NCHW)
    return operand


def _axes(axes: Sequence[int], rank: int) -> list[int]:
    return [_TO_NCHW.index(axis) for axis in axes] if rank == 4 else list(axes)


def _rank(equation: Any, operand: int) -> int:
    return len(equation.invars[operand].aval.shape)


def _elementwise(op: str) -> _Writer:
    return lambda graph, equation, operands: graph.add(op, [_laid_out(operand) for operand in operands])


def _max(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    if isinstance(operands[1], np.ndarray) and operands[1].ndim == 0 and operands[1] == 0:
        return graph.add("Relu", operands[:1])
    return graph.add("Max", [_laid_out(operand) for operand in operands])


def _cast(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    return graph.add("Cast", operands, to=helper.np_dtype_to_tensor_dtype(np.dtype(equation.params["new_dtype"])))


def _broadcast(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    shape, kept = equation.params["shape"], equation.params["broadcast_dimensions"]
    new = [axis for axis in range(len(shape)) if axis not in kept]
    # The axes that are kept come in the same order in ONNX's layout, unless they are a map's of one rank less.
    if any(shape[axis] != 1 for axis in new) or (len(shape) == 4 and kept not in ((0, 3), (0,), (3,))):
        raise NotImplementedError(f"a broadcast to {shape} has no form in ONNX here")
    return graph.add("Unsqueeze", [*operands, np.array(sorted(_axes(new, len(shape))), np.int64)])


def _conv(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    parameters = equation.params
    kernel = operands[1]
    numbers = parameters["dimension_numbers"]
    plain = {"batch_group_count": 1, "lhs_dilation": (1, 1), "rhs_dilation": (1, 1)}
    if (
        not isinstance(kernel, np.ndarray)
        or (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec) != (_TO_NCHW, (3, 2, 0, 1), _TO_NCHW)
        or any(parameters[key] != value for key, value in plain.items())
    ):
        raise NotImplementedError("a convolution of this kind has no form in ONNX here")
    return graph.add(
        "Conv",
        [operands[0], kernel.transpose(3, 2, 0, 1)],
        strides=parameters["window_strides"],
        pads=_pads(parameters["padding"]),
        group=parameters["feature_group_count"],
    )


def _max_pool(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    parameters = equation.params
    window, strides, padding = (parameters[key] for key in ("window_dimensions", "window_strides", "padding"))
    return graph.add("MaxPool", operands, kernel_shape=window[1:3], strides=strides[1:3], pads=_pads(padding[1:3]))


def _sum_pool(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    """A sum over windows: their mean times their size."""
    parameters = equation.params
    window, strides, padding = (parameters[key] for key in ("window_dimensions", "window_strides", "padding"))
    mean = graph.add(
        "AveragePool",
        operands,
        kernel_shape=window[1:3],
        strides=strides[1:3],
        pads=_pads(padding[1:3]),
        count_include_pad=1,
    )
    return graph.add("Mul", [mean, np.array(window[1] * window[2], np.float32)])


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    (top, bottom), (left, right) = padding
    return [top, left, bottom, right]


def _sum(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    axes = _axes(equation.params["axes"], _rank(equation, 0))
    return graph.add("ReduceSum", [*operands, np.array(axes, np.int64)], keepdims=0)


def _squeeze(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    axes = _axes(equation.params["dimensions"], _rank(equation, 0))
    return graph.add("Squeeze", [*operands, np.array(sorted(axes), np.int64)])


def _select(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    which, if_false, if_true = (_laid_out(operand) for operand in operands)
    return graph.add("Where", [which, if_true, if_false])


def _concatenate(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    (axis,) = _axes([equation.params["dimension"]], _rank(equation, 0))
    if any(isinstance(operand, np.ndarray) for operand in operands):
        raise NotImplementedError("a concatenation with a constant has no form in ONNX here")
    return graph.add("Concat", [_laid_out(operand) for operand in operands], axis=axis)


def _slice(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    parameters, shape = equation.params, equation.invars[0].aval.shape
    starts, limits = parameters["start_indices"], parameters["limit_indices"]
    strides = parameters["strides"] or (1,) * len(shape)
    cut = [axis for axis in range(len(shape)) if (starts[axis], limits[axis], strides[axis]) != (0, shape[axis], 1)]
    columns = ([starts[axis] for axis in cut], [limits[axis] for axis in cut], _axes(cut, len(shape)))
    steps = [strides[axis] for axis in cut]
    return graph.add("Slice", [*operands, *(np.array(column, np.int64) for column in (*columns, steps))])


def _argmax(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    (axis,) = _axes(equation.params["axes"], _rank(equation, 0))
    largest = graph.add("ArgMax", operands, axis=axis, keepdims=0)
    return graph.add("Cast", [largest], to=onnx.TensorProto.INT32)


def _product(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    """A sum over products of any axes, as ONNX's Einsum."""
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    letters = iter("abcdefghijkl")
    left = [next(letters) for _ in range(_rank(equation, 0))]
    shared = dict(zip((*right_sum, *right_batch), (*left_sum, *left_batch), strict=True))
    right = [left[shared[axis]] if axis in shared else next(letters) for axis in range(_rank(equation, 1))]
    batch = [left[axis] for axis in left_batch]
    result = batch + [letter for letter in left if letter not in right] + [x for x in right if x not in left]
    sides = ["".join([side[axis] for axis in _TO_NCHW] if len(side) == 4 else side) for side in (left, right)]
    if len(result) == 4:
        raise NotImplementedError("a product of rank 4 has no form in ONNX here")
    inputs = [_laid_out(operand) for operand in operands]
    return graph.add("Einsum", inputs, equation=f"{','.join(sides)}->{''.join(result)}")


def _lookup(graph: _Graph, equation: Any, operands: list[_Operand]) -> _Value:
    """Rows of a table by their numbers [batch, 1]."""
    numbers = equation.params["dimension_numbers"]
    rows = (numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map) == ((1,), (0,), (0,))
    if not rows or _rank(equation, 0) != 2:
        raise NotImplementedError("a lookup of this kind has no form in ONNX here")
    which = graph.add("Squeeze", [operands[1], np.array([1], np.int64)])
    return graph.add("Gather", [operands[0], which], axis=0)


_WRITERS: dict[str, _Writer] = {
    "add": _elementwise("Add"),
    "add_any": _elementwise("Add"),
    "sub": _elementwise("Sub"),
    "mul": _elementwise("Mul"),
    "div": _elementwise("Div"),
    "min": _elementwise("Min"),
    "max": _max,
    "convert_element_type": _cast,
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _conv,
    "gt": _elementwise("Greater"),
    "lt": _elementwise("Less"),
    "and": _elementwise("And"),
    "select_n": _select,
    "squeeze": _squeeze,
    "logistic": _elementwise("Sigmoid"),
    "concatenate": _concatenate,
    "slice": _slice,
    "reduce_window_max": _max_pool,
    "reduce_window_sum": _sum_pool,
    "reduce_sum": _sum,
    "argmax": _argmax,
    "dot_general": _product,
    "gather": _lookup,
}
