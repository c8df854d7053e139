import math

import jax
import numpy as np
import pytest

from jdnet_jax.benchmark.collectives import Collective, collectives
from tests import tiny_recipe as tiny

PROGRAM = """
  %all-reduce = (f32[64,3]{1,0}, f32[64]{0}, /*index=2*/bf16[]) all-reduce(%a, %b, %c), channel_id=1, to_apply=%add
  %get = f32[64]{0} get-tuple-element(%all-reduce), index=1
  ROOT %gather = pred[8,2]{1,0} all-gather(%d), dimensions={0}
  %start = s32[5]{0} all-reduce-start(%e), to_apply=%add
  %done = s32[5]{0} all-reduce-done(%start)
"""


def test_arrays_and_bytes_by_hand():
    assert collectives(PROGRAM) == [
        Collective("all-reduce", 3, 4 * 64 * 3 + 4 * 64 + 2),
        Collective("all-gather", 1, 16),
        Collective("all-reduce", 1, 20),
    ]


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
