import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.errors import UserError
from jdnet_jax.export import inference_function
from jdnet_jax.inference import flax_runner, model_card, onnx_runner
from jdnet_jax.models import convnext, names, vision_transformer
from tests import tiny_student

pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")

import onnx

from jdnet_jax.export import to_onnx


@pytest.fixture(scope="module")
def content(mobilenet):
    return to_onnx.convert(mobilenet.function, "Somebody", "CC0")


def test_it_computes_what_the_student_does(mobilenet, content, resnet):
    for student, file in ((mobilenet, content), (resnet, to_onnx.convert(resnet.function, "", ""))):
        found = onnx_runner.OnnxRunner(file, student.card).run(student.images)
        expected = student.runner.run(student.images)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3)


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


#: Attention and layer normalisation have no form in ONNX here.
REFUSED = {*vision_transformer.VARIANTS, *convnext.VARIANTS}


@pytest.mark.parametrize("name", [name for name in names() if name not in REFUSED])
def test_every_network_with_batch_norm_has_a_form_in_onnx(name):
    card = tiny_student.card(model=name, options={}, image_size=65, shorter_side=74)
    module = flax_runner.create(card, name)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    assert to_onnx.convert(inference_function.create(card, variables, name), "", "")  # checked by onnx itself


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
