import jax
import numpy as np

from jdnet_jax.config import views
from jdnet_jax.export import inference_function


def test_it_is_what_the_hand_off_predicts(resnet):
    probabilities, activation = jax.jit(resnet.function)(resnet.images)
    expected = resnet.runner.run(resnet.images)
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(activation, expected.activation, rtol=1e-4, atol=1e-4)
    logits, _ = jax.jit(resnet.function.logits)(resnet.images)
    np.testing.assert_allclose(probabilities, jax.nn.softmax(logits / 1.5), rtol=1e-5)
    assert len(set(np.argmax(logits, axis=1).tolist())) > 1  # the pictures are not all one class


def test_it_computes_in_float32_whatever_the_student_was_trained_in(resnet):
    card = resnet.card_of(dtype="bfloat16")
    function = inference_function.create(card, resnet.variables, "tiny")
    assert function.card.dtype == "float32"
    assert jax.eval_shape(function.network, np.zeros((1, 32, 32, 3), np.float32)).maps.dtype == np.float32


def test_photo_and_mask_are_cut_up_inside(rvernet):
    """Any value but 0 is the region of interest."""
    photo, mask = views.photo_and_mask(rvernet.images)
    probabilities, activation = jax.jit(rvernet.function)(photo, mask * np.uint8(200))
    expected = rvernet.runner.run(rvernet.images)
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(activation, expected.activation, rtol=1e-4, atol=1e-4)
    assert np.abs(rvernet.runner.run(rvernet.images[::-1]).probabilities - expected.probabilities).max() > 0.01
