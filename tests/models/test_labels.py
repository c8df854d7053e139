import jax.numpy as jnp
import numpy as np

from jdnet_jax.models import labels

PLAIN = {"label": jnp.array([2, 0])}
MIXED = {**PLAIN, "mixed_label": jnp.array([0, 0]), "share": jnp.array([0.25, 0.7], jnp.float32)}


def test_shares_of_ids_are_one_hot_and_shares_stay():
    one_hot = labels.shares(PLAIN["label"], 3)
    np.testing.assert_array_equal(one_hot, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(labels.shares(one_hot, 3), one_hot)


def test_of_batch_and_largest():
    np.testing.assert_array_equal(labels.of_batch(PLAIN, 3), PLAIN["label"])
    np.testing.assert_array_equal(labels.largest(PLAIN), PLAIN["label"])
    np.testing.assert_allclose(labels.of_batch(MIXED, 3), [[0.75, 0, 0.25], [1, 0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(labels.largest(MIXED), [0, 0])


PART = {"label": jnp.array([2, -1, 0]), "known": jnp.array([True, False, True])}


def test_some_labels():
    found = labels.of_batch(PART, 3)
    assert isinstance(found, labels.PartLabels)
    assert float(found.mean(jnp.array([1.0, jnp.nan, 4.0]))) == 2.5
    scores = jnp.array([[9.0, 0, 0], [0, 9, 0], [9, 0, 0]])
    np.testing.assert_array_equal(labels.completed(found, scores), [2, 1, 0])
    np.testing.assert_array_equal(labels.completed(PLAIN["label"], scores[:2]), PLAIN["label"])
