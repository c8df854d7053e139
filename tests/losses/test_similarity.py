import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.config import keys
from jdnet_jax.losses import similarity
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.outputs import Outputs

LOG3 = np.log(3)
# The softmax of [0, log 3] is [1/4, 3/4].
CASES = {
    "l1": ([[1.0, -2.0]], [[3.0, 1.0]], 2.5),
    "l2": ([[1.0, -2.0]], [[3.0, 1.0]], 6.5),
    "soft_l1": ([[0.0, LOG3]], [[LOG3, 0.0]], 0.5),
    "soft_l2": ([[0.0, LOG3]], [[LOG3, 0.0]], 0.25),
    "ce": ([[0.0, LOG3]], [[LOG3, 0.0]], 0.75 * np.log(4) + 0.25 * np.log(4 / 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_distances_by_hand(name):
    student, teacher, expected = CASES[name]
    found = similarity.DISTANCES[name](jnp.asarray(student, jnp.float32), jnp.asarray(teacher, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cross_entropy_is_least_where_the_softmaxes_are_equal():
    z = jax.random.normal(jax.random.key(0), (3, 7))
    p = jax.nn.softmax(z)
    np.testing.assert_allclose(similarity.ce(z + 2.0, z), -jnp.mean(jnp.sum(p * jnp.log(p), -1)), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(similarity.ce)(z, z), np.zeros((3, 7)), atol=1e-7)


def test_blocks_are_summed_with_their_weights():
    # The blocks of 1 x 1 maps are their channels' means: 1 against 4, and logits 0, 0 against 2, 0.
    student = Outputs(logits=jnp.zeros((1, 2)), stages=(jnp.ones((1, 1, 1, 3)),))
    teacher = Outputs(logits=jnp.array([[2.0, 0.0]]), stages=(jnp.full((1, 1, 1, 5), 4.0),))
    reader = BlockReader((1,))
    term = similarity.Similarity(reader, reader, (0.1, 10.0), "l1")
    np.testing.assert_allclose(term.apply({}, student, teacher, jnp.zeros(1, jnp.int32), train=True), 10.3, rtol=1e-6)


def test_labels_play_no_part():
    reader, z = BlockReader(), jax.random.normal(jax.random.key(0), (2, 4, 5))
    student, teacher = (Outputs(logits=logits, stages=()) for logits in z)
    term = similarity.Similarity(reader, reader, (1.0,))
    for labels in (jnp.zeros(4, jnp.int32), jnp.arange(4)):
        assert term.apply({}, student, teacher, labels, train=True) == similarity.ce(*z)


def test_the_names_that_the_config_allows_are_those_that_the_module_knows():
    assert tuple(similarity.DISTANCES) == keys.BLOCK_DISTANCES
