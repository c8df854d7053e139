import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import handoff
from jdnet_jax.inference import flax_runner
from jdnet_jax.inference.flax_runner import FlaxRunner
from jdnet_jax.process.errors import UserError
from tests import tiny_student


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_probabilities_and_map_are_those_of_the_network(student):
    runner = flax_runner.load(student)
    found = runner.run(images(3))
    card = runner.card
    normalised = (images(3).astype(np.float32) - np.float32(card.mean)) / np.float32(card.std)
    outputs = jax.jit(flax_runner.create(card, "").apply)(handoff.load(student)[0], normalised)
    np.testing.assert_allclose(found.probabilities, jax.nn.softmax(outputs.logits), rtol=1e-5)
    best = found.probabilities.argmax(axis=1)
    np.testing.assert_allclose(found.activation, outputs.activation(jnp.asarray(best)), rtol=1e-4, atol=1e-6)
    assert found.activation.shape == (3, 2, 2)
    assert found.probabilities.dtype == found.activation.dtype == np.float32


def test_any_number_of_photos_is_two_compiled_sizes(student):
    runner = flax_runner.load(student)
    whole = runner.run(images(70))
    assert whole.probabilities.shape == (70, len(tiny_student.CLASSES))
    for begin, end in ((0, 1), (31, 33), (64, 70)):
        part = runner.run(images(70)[begin:end])
        np.testing.assert_allclose(part.probabilities, whole.probabilities[begin:end], rtol=1e-5)
        np.testing.assert_allclose(part.activation, whole.activation[begin:end], rtol=1e-4, atol=1e-6)
    assert runner._forward._cache_size() == 2
    assert runner.run(images(0)).probabilities.shape == (0, len(tiny_student.CLASSES))


def test_the_temperature_flattens_and_changes_no_class(student):
    variables, _ = handoff.load(student)
    cold, warm = (
        FlaxRunner(tiny_student.card(temperature=t), variables, "").run(images(8)).probabilities for t in (1.0, 2.0)
    )
    expected = np.sqrt(cold) / np.sqrt(cold).sum(axis=1, keepdims=True)  # softmax(z / 2) by hand
    np.testing.assert_allclose(warm, expected, rtol=1e-5)


def test_a_head_for_other_classes_is_refused(student):
    variables, _ = handoff.load(student)
    with pytest.raises(UserError, match=r"here: its weights are not of resnet_tiny with the 2 classes"):
        FlaxRunner(tiny_student.card(classes=("a", "b")), variables, "here")
    with pytest.raises(UserError, match=r"here: its weights are not of resnet_tiny .* options {'width': 8}"):
        FlaxRunner(tiny_student.card(options={"width": 8}), variables, "here")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "resnet_tinny"}, "here: unknown model 'resnet_tinny'"),
        ({"options": {"depth": 3}}, "here: .*no option 'depth'"),
        ({"dtype": "float33"}, "here: .*float33"),
    ],
)
def test_a_network_that_the_zoo_lacks_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        flax_runner.create(tiny_student.card(**changes), "here")
