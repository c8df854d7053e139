import itertools
import math

import jax
import numpy as np
import pytest

from jdnet_jax.benchmark import scaling
from jdnet_jax.benchmark.collectives import collectives
from jdnet_jax.learning import step
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny

DEVICE = scaling.Device(flops=100.0, link=10.0, group=4, network=2.0, source="given")


def test_a_device_has_a_name_or_figures_of_its_own():
    assert scaling.parse_device("h100") is scaling.DEVICES["h100"]
    assert scaling.parse_device("flops=100,link=10,group=4,network=2") == DEVICE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v5", "--device: unknown device 'v5'; did you mean 'v5p'"),
        ("flops=100,link=10,group=4", "--device=flops=100,link=10,group=4: give all four figures"),
        ("flops=100,link=10,group=4,network=2,more=1", "--device=.*: give all four figures"),
        ("flops=100,link=0,group=4,network=2", "--device=.*: give all four figures, each above 0"),
        ("flops=fast,link=10,group=4,network=2", "--device=.*: give all four figures"),
        ("flops=inf,link=10,group=4,network=2", "--device=.*: give all four figures"),
    ],
)
def test_a_device_that_is_not_whole_is_one_line(text, message):
    with pytest.raises(UserError, match=f"^{message}"):
        scaling.parse_device(text)


@pytest.mark.slow
def test_the_measured_step_is_never_allocated_and_its_bytes_are_the_gradients_and_statistics(monkeypatch):
    config = tiny.config()
    config.batch_size, config.compute_dtype = 3, "float32"
    monkeypatch.setattr(step, "place", lambda *_: pytest.fail("a state was placed"))
    result = scaling.measure(config, 5, "v5e", 0.5)
    assert {one["kind"] for one in result["collectives"]} == {"all-reduce"}
    state = tiny.Recipe(tiny.config()).state
    statistics = sum(4 * leaf.size for leaf in jax.tree.leaves(state.batch_stats))
    # A shortcut's BatchNorm and the branch's last one have the same gradient of the bias, which travels once.
    assert (
        0.99 * (result["gradient_bytes"] + statistics)
        < result["bytes"]
        <= (result["gradient_bytes"] + statistics + 4 * 8)
    )
    assert [row["devices"] for row in result["predicted"]] == [2**i for i in range(13)]
    assert result["predicted"][0]["seconds"] == result["flops"] / (197e12 * 0.5)
    shown = scaling.table(result)
    assert "batch 3 on each device" in shown
    assert "197 TFLOP/s bfloat16 (but the config computes in float32, which takes longer)" in shown
    assert "4,096" in shown.splitlines()[-1]


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
