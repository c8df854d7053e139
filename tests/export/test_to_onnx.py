import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jdnet_jax.export import inference_function
from jdnet_jax.handoff import model_card
from jdnet_jax.inference import flax_runner, onnx_runner
from jdnet_jax.models import layers, lowering
from jdnet_jax.process.errors import UserError
from tests import tiny_student
from tests.export.conftest import norms_left

pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")

import onnx
import onnxruntime

from jdnet_jax.export import to_onnx


@pytest.fixture(scope="module")
def content(mobilenet):
    return to_onnx.convert(mobilenet.function, "Somebody", "CC0")


def assert_it_computes_what_the_student_does(student, content):
    found = onnx_runner.OnnxRunner(content, student.card).run(student.images)
    expected = student.runner.run(student.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    scale = max(1.0, float(np.abs(expected.activation).max()))
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3 * scale)


def test_it_computes_what_the_student_does(mobilenet, content, resnet, mobilenetv3):
    assert_it_computes_what_the_student_does(mobilenet, content)
    for student in (resnet, mobilenetv3):
        assert_it_computes_what_the_student_does(student, to_onnx.convert(student.function, "", ""))


OPERATIONS = {
    "slice": lambda x: lax.slice(x, (0, 1, 0, 1), (2, 4, 5, 6), (1, 2, 1, 1)),
    "concatenate": lambda x: jnp.concatenate([x, x * 2, x - 1], -1),
    "select": lambda x: jnp.where(x > 0.2, x, jnp.where(x < -0.2, x * -1, 3.0)),
    "squeeze": lambda x: jnp.squeeze(lax.slice(x, (0, 1, 2, 0), (2, 2, 3, 6)), (1, 2)),
    "logistic": jax.nn.sigmoid,
    "gate": lambda x: x * jax.nn.sigmoid(jnp.mean(x, (1, 2), keepdims=True)),
    "average_pool": layers.average_pool,
    "slope": lambda x: jax.vjp(jax.nn.hard_swish, x)[1](jnp.ones_like(x))[0],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_computes_what_jax_does(name):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    with lowering.plain():
        traced = jax.make_jaxpr(OPERATIONS[name])(x)
        expected = np.asarray(OPERATIONS[name](jnp.asarray(x)))
    graph = to_onnx._Graph()
    (result,) = graph.run(traced.jaxpr, traced.consts, [graph.add("Transpose", ["x"], perm=(0, 3, 1, 2))])
    graph.add("Transpose" if expected.ndim == 4 else "Identity", [result], ["y"])
    graph.nodes[-1].attribute.extend([onnx.helper.make_attribute("perm", (0, 2, 3, 1))] if expected.ndim == 4 else [])
    value = onnx.helper.make_tensor_value_info
    described = onnx.helper.make_graph(
        graph.nodes,
        name,
        [value("x", onnx.TensorProto.FLOAT, x.shape)],
        [value("y", onnx.TensorProto.FLOAT, None)],
        graph.constants,
    )
    opset = onnx.helper.make_opsetid("", to_onnx.OPSET)
    model = onnx.helper.make_model(described, opset_imports=[opset], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-5, atol=1e-6)


def test_the_graph_has_one_node_for_each_layer(mobilenet, content):
    model = onnx.load_from_string(content)
    kinds = [node.op_type for node in model.graph.node]
    depthwise = [n for n in model.graph.node if n.op_type == "Conv" and _attribute(n, "group") > 1]
    assert (len(depthwise), kinds.count("Conv")) == (17, 17 + 35)
    assert kinds.count("Clip") == 35  # of 52 convolutions 17 are projections, which have no activation
    assert kinds.count("Transpose") == 1  # of the image
    assert kinds.count("Add") == 52 + 10 + 1  # biases, shortcuts and the classifier's
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", to_onnx.OPSET)]


def test_any_number_of_photos_and_none(mobilenet, content):
    runner = onnx_runner.OnnxRunner(content, mobilenet.card)
    images = np.concatenate([mobilenet.images] * 6)  # more than one batch
    found = runner.run(images)
    assert found.probabilities.shape == (36, 7)
    np.testing.assert_allclose(found.probabilities[30:], runner.run(mobilenet.images).probabilities, rtol=1e-4)
    assert [part.shape for part in runner.run(images[:0])] == [(0, 7), (0, 2, 2)]


def test_the_metadata_has_the_card_author_and_licence(mobilenet, content):
    found = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert (found["author"], found["license"]) == ("Somebody", "CC0")
    assert model_card.parse(found["model.json"]) == mobilenet.card


#: The smallest of each family; the larger ones consist of the same operations.
WRITTEN = [
    *("resnet18", "seresnext50_32x4d", "densenet121", "mobilenetv2_035", "tf_efficientnet_lite0"),
    *("efficientnet_b0", "mobilenetv3_small_100", "mobilenetv4_conv_small", "ghostnet_100"),
    *("cifar_vgg19_bn", "cifar_preact_resnet18", "cifar_googlenet", "cifar_mobilenet", "cifar_dpn92"),
]


#: Families that normalise before they convolve, so that not every BatchNorm follows a convolution.
PRE_ACTIVATION = ("densenet", "preact")


@pytest.mark.parametrize("name", WRITTEN)
def test_every_family_with_batch_norm_is_folded_and_has_a_form_in_onnx(name):
    card = tiny_student.card(model=name, options={}, image_size=65, shorter_side=74)
    module = flax_runner.create(card, name)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    function = inference_function.create(card, variables, name)
    assert bool(norms_left(variables, function.network.params)) == any(family in name for family in PRE_ACTIVATION)
    assert to_onnx.convert(function, "", "")  # checked by onnx itself


def test_transformers_are_refused(transformer):
    with pytest.raises(NotImplementedError, match="has no form in ONNX here"):
        to_onnx.convert(transformer.function, "", "")


def test_an_operation_that_no_network_has():
    graph = to_onnx._Graph()
    traced = jax.make_jaxpr(jnp.sort)(jnp.zeros(3))
    with pytest.raises(NotImplementedError, match="sort has no form in ONNX here"):
        graph.run(traced.jaxpr, traced.consts, [to_onnx._Value("x")])


def test_a_damaged_file_and_other_classes_are_refused(mobilenet, content, tmp_path):
    path = tmp_path / "student.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="it has 7 classes, not 2"):
        onnx_runner.load(path, mobilenet.card_of(classes=("a", "b")))
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"student.onnx is no ONNX file of this project, or damaged"):
        onnx_runner.load(path, mobilenet.card)
    with pytest.raises(UserError, match=r"nowhere.onnx cannot be read"):
        onnx_runner.load(tmp_path / "nowhere.onnx", mobilenet.card)


def _attribute(node, name):
    return next((onnx.helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), 1)
