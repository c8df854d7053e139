import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.outputs import HiddenLayer, Outputs

#: One photo of two points and two channels; two hidden units, three classes.
MAPS = jnp.array([[[[1.0, 0.0], [1.0, 2.0]]]])
HIDDEN = HiddenLayer(maps=MAPS, kernel=jnp.array([[1.0, 2.0], [3.0, -1.0]]), slopes=jnp.array([[0.5, 1.0]]))
KERNEL = jnp.array([[2.0, 0.0, 4.0], [1.0, 1.0, 0.0]])
OUTPUTS = Outputs(logits=jnp.zeros((1, 3)), stages=(), kernel=KERNEL, hidden=HIDDEN)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # Behind the slopes the column is (1, 1): the channels weigh 1 + 2 and 3 - 1.
        (jnp.array([0]), [3.0, 7.0]),
        # (0, 1): the channels weigh 2 and -1, and the second point gets 2 - 2.
        (jnp.array([1]), [2.0, 0.0]),
        # Half of both: (0.5, 1) gives 2.5 and 0.5.
        (jnp.array([[0.5, 0.5, 0.0]]), [2.5, 3.5]),
    ],
)
def test_the_map_behind_a_hidden_layer_by_hand(labels, expected):
    np.testing.assert_allclose(OUTPUTS.activation(labels)[0, 0], expected, rtol=1e-6)


def test_what_is_negative_is_cut():
    negative = OUTPUTS.replace(hidden=HIDDEN.replace(maps=-MAPS))
    np.testing.assert_array_equal(negative.activation(jnp.array([0])), np.zeros((1, 1, 2)))


def test_the_plain_form_is_the_same():
    with lowering.plain():
        np.testing.assert_allclose(OUTPUTS.activation(jnp.array([0]))[0, 0], [3.0, 7.0])


def test_the_gradient_reaches_every_part():
    def total(outputs):
        return jnp.sum(outputs.activation(jnp.array([0])))

    gradients = jax.grad(total)(OUTPUTS)
    # Summed over points the maps are (2, 2): a hidden unit weighs 2 * (1 + 3) = 8, or 2 * (2 - 1) = 2.
    np.testing.assert_allclose(gradients.hidden.slopes, [[2 * 8, 1 * 2]])
    np.testing.assert_allclose(gradients.kernel[:, 0], [0.5 * 8, 1.0 * 2])
    np.testing.assert_array_equal(gradients.kernel[:, 1:], np.zeros((2, 2)))
    np.testing.assert_allclose(gradients.hidden.kernel, [[2.0, 2.0], [2.0, 2.0]])
    np.testing.assert_allclose(gradients.hidden.maps[0, 0], [[3.0, 2.0], [3.0, 2.0]])


def test_outputs_without_any_map():
    with pytest.raises(ValueError, match="neither feature maps that the head averages nor"):
        Outputs(logits=jnp.zeros((1, 3)), stages=()).activation(jnp.array([0]))


def test_two_heads_answer_with_the_mean_of_their_softmaxes():
    """DeiT: softmax([0, 0]) = [1/2, 1/2] and softmax([0, ln 9]) = [1/10, 9/10] give [3/10, 7/10]."""
    heads = jnp.zeros((1, 2)), jnp.array([[0.0, np.log(9.0)]])
    outputs = Outputs(logits=sum(heads) / 2, stages=(), class_logits=heads[0], distillation_logits=heads[1])
    np.testing.assert_allclose(jax.nn.softmax(outputs.scores), [[0.3, 0.7]], rtol=1e-6)
    # The mean of the logits would have answered [1/4, 3/4].
    np.testing.assert_allclose(jax.nn.softmax(outputs.logits), [[0.25, 0.75]], rtol=1e-6)


def test_scores_of_sure_heads_stay_finite():
    heads = jnp.array([[0.0, 1e4]]), jnp.array([[1e4, 0.0]])
    outputs = Outputs(logits=sum(heads) / 2, stages=(), class_logits=heads[0], distillation_logits=heads[1])
    np.testing.assert_allclose(jax.nn.softmax(outputs.scores), [[0.5, 0.5]])
    assert np.all(np.isfinite(jax.grad(lambda a: outputs.replace(class_logits=a).scores[0, 0])(heads[0])))


def test_one_head_answers_with_its_logits():
    logits = jnp.array([[1.0, 2.0]])
    assert Outputs(logits=logits, stages=()).scores is logits
