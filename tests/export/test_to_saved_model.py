import numpy as np
import pytest
import tensorflow as tf

from jdnet_jax.export import to_saved_model
from jdnet_jax.inference import saved_model_runner
from jdnet_jax.process.errors import UserError


@pytest.fixture(scope="module")
def folder(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved_model")
    to_saved_model.write(resnet.function, path)
    return path


def test_it_computes_what_the_student_does(resnet, folder):
    found = saved_model_runner.load(folder, resnet.card).run(resnet.images)
    expected = resnet.runner.run(resnet.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["out [1]", "a*b?"])
def test_a_folder_whose_name_is_a_pattern(resnet, tmp_path, name):
    (tmp_path / name).mkdir()
    to_saved_model.write(resnet.function, tmp_path / name)
    assert (tmp_path / name / "saved_model.pb").is_file()
    found = saved_model_runner.load(tmp_path / name, resnet.card).run(resnet.images)
    expected = resnet.runner.run(resnet.images)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)


def test_its_signature_takes_any_number_of_images(folder):
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    assert (inputs["image"].shape.as_list(), inputs["image"].dtype) == ([None, 32, 32, 3], tf.uint8)
    assert sorted(serve.structured_outputs) == ["activation", "probabilities"]


def test_a_damaged_folder_and_other_classes_are_refused(resnet, folder, tmp_path):
    with pytest.raises(UserError, match="it has 7 classes, not 2"):
        saved_model_runner.load(folder, resnet.card_of(classes=("a", "b")))
    (tmp_path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"is no SavedModel of this project, or damaged"):
        saved_model_runner.load(tmp_path, resnet.card)
