import jax.numpy as jnp
import numpy as np

from jdnet_jax.handoff.digest import sha256

TREE = {"params": {"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 2), np.float32)}, "batch_stats": {}}


def test_sha256_depends_on_every_bit_and_not_on_the_order_of_keys():
    digest = sha256(TREE)
    reordered = {"batch_stats": {}, "params": {"a": TREE["params"]["a"], "b": jnp.arange(3.0)}}
    assert sha256(reordered) == digest
    changed = {"params": {**TREE["params"], "b": np.array([0, 1, np.nextafter(np.float32(2), 3)], np.float32)}}
    assert sha256({**TREE, **changed}) != digest
    renamed = {"params": {"c": TREE["params"]["b"], "a": TREE["params"]["a"]}, "batch_stats": {}}
    assert sha256(renamed) != digest
    reshaped = {"params": {**TREE["params"], "a": np.ones(4, np.float32)}, "batch_stats": {}}
    assert sha256(reshaped) != digest
