from collections import Counter

import numpy as np

from jdnet_jax.data.synthetic_meals.chance import pick


def test_pick_follows_the_weights():
    rng = np.random.default_rng(0)
    drawn = Counter(pick(rng, {"a": 3.0, "b": 1.0, "never": 0.0}) for _ in range(4000))
    assert set(drawn) == {"a", "b"}
    assert abs(drawn["a"] / 4000 - 0.75) < 0.03


def test_pick_of_one():
    assert pick(np.random.default_rng(0), {7: 0.1}) == 7
