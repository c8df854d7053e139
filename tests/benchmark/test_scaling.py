import itertools
import math

import jax
import numpy as np
import pytest

from jdnet_jax.benchmark import scaling
from jdnet_jax.benchmark.collectives import collectives
from tests import tiny_recipe as tiny

DEVICE = scaling.Device(flops=100.0, memory=1.0, link=10.0, group=4, network=2.0, source="made up")


def test_communication_by_hand():
    assert scaling.communication(40.0, 1, DEVICE) == 0
    assert scaling.communication(40.0, 2, DEVICE) == 2 * (1 / 2) * 40 / 10
    assert scaling.communication(40.0, 4, DEVICE) == 2 * (3 / 4) * 40 / 10
    # Two groups of four: the ring of four, and a quarter of the bytes over the network.
    assert scaling.communication(40.0, 8, DEVICE) == 6.0 + 2 * (1 / 2) * 10 / 2


def test_prediction_by_hand():
    rows = scaling.predict(flops=50.0, size=40.0, device=DEVICE, utilization=0.5)
    assert [row["devices"] for row in rows] == [2**i for i in range(13)]
    assert rows[0] == {"devices": 1, "seconds": 1.0, "communication": 0.0, "efficiency": 1.0}
    assert rows[1] == pytest.approx({"devices": 2, "seconds": 5.0, "communication": 0.8, "efficiency": 0.2})
    assert all(a["efficiency"] >= b["efficiency"] for a, b in itertools.pairwise(rows))


@pytest.mark.slow
def test_gradients_travel_together_and_a_device_works_as_much_among_eight_as_alone():
    recipe = tiny.Recipe(tiny.config())
    compiled = {}
    for devices in (1, 8):
        batch = tiny.cut(tiny.batch(2 * devices), devices)
        compiled[devices] = tiny.mapped(recipe.step(), devices).lower(recipe.state, batch).compile()
    found = collectives(compiled[8].as_text())
    assert {one.kind for one in found} == {"all-reduce"}
    assert len(found) <= 4
    trained = [recipe.state.params[group] for group in recipe.optimizers]
    leaves = jax.tree.leaves((trained, recipe.state.batch_stats))
    gradients_and_statistics = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
    metrics = 4 * 8  # scalars: at most eight terms, accuracies and the total
    # A shortcut's BatchNorm and the branch's last one have the same gradient of the bias, which travels once.
    assert 0.99 * gradients_and_statistics < sum(one.size for one in found) <= gradients_and_statistics + metrics
    work = [compiled[devices].cost_analysis()["flops"] for devices in (1, 8)]
    # What eight devices do more is to divide the sums by eight: once for each value.
    assert work[1] == pytest.approx(work[0], rel=0.02)
