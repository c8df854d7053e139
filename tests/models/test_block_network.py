import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.inverted_residual import InvertedResidualSpec, Squeeze
from jdnet_jax.models.mobile_heads import ConvHead, HiddenHead
from jdnet_jax.models.spec import InputSpec, Stage
from tests.models import network_checks

SQUEEZE = Squeeze("expanded / 4", "relu", "hard_sigmoid")
TABLE = (
    (InvertedResidualSpec(8, 3, 1, 1, "relu6"),),
    (InvertedResidualSpec(8, 3, 2, 2, "relu6"), InvertedResidualSpec(8, 3, 1, 2, "relu6")),
    (InvertedResidualSpec(16, 5, 2, 2, "hard_swish", SQUEEZE),),
    (ConvBlockSpec(24, 1, 1, "relu6"),),
)
HEADS = {
    "conv": ConvHead(20, "relu6"),
    "hidden": HiddenHead(20, "hard_swish", norm=False),
    "norm": HiddenHead(20, "relu", norm=True),
}


def create(head, **changes):
    spec = InputSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 32)
    fields = {"padding": "same", "epsilon": 1e-3, **changes}
    return BlockNetwork(5, TABLE, stem=8, activation="relu6", head=HEADS[head], spec=spec, **fields)


@pytest.fixture(scope="module")
def net():
    module = create("norm")
    return module, *network_checks.initialised(module)


def test_taps_are_the_last_stages_of_their_stride():
    module = create("conv")
    assert module.stages == (Stage("blocks.1", 8, 4), Stage("blocks.3", 24, 8))
    images = jnp.zeros((4, 32, 32, 3))
    outputs, _ = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), images))
    assert [stage.shape for stage in outputs.stages] == [(4, 8, 8, 8), (4, 4, 4, 24)]
    assert outputs.maps.shape == (4, 4, 4, 20)  # behind the head convolution


def test_taps_may_be_the_first_stages_of_their_stride():
    module = create("hidden", tap="first")
    assert module.stages == (Stage("blocks.1", 8, 4), Stage("blocks.2", 16, 8))
    images = jnp.zeros((4, 32, 32, 3))
    outputs, _ = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), images))
    assert [stage.shape for stage in outputs.stages] == [(4, 8, 8, 8), (4, 4, 4, 16)]
    assert outputs.hidden.maps.shape == (4, 4, 4, 24)  # of the last stage


def test_the_settings_reach_every_norm():
    found = []

    def look(call, args, kwargs, context):
        if isinstance(context.module, BatchNorm):
            found.append((context.module.epsilon, context.module.momentum, context.module.axis_name))
        return call(*args, **kwargs)

    module = create("conv", momentum=0.75, axis_name="data")
    with nn.intercept_methods(look):
        jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((2, 32, 32, 3))))
    assert found == [(1e-3, 0.75, "data")] * 14  # stem 1, blocks 2 + 3 + 3 + 3 + 1, head 1


def test_bfloat16(net):
    network_checks.assert_bfloat16_is_close(*net)


def test_a_training_step_moves_every_parameter(net):
    module, variables, images = net
    module = module.clone(drop_rate=0.2)

    def values(params):
        outputs, _ = module.apply(
            {**variables, "params": params},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        entropy = -jnp.mean(jax.nn.log_softmax(outputs.logits)[:, 0])
        return entropy, jnp.mean(outputs.activation(jnp.zeros(len(images), jnp.int32)))

    of_loss, of_map = jax.jit(jax.jacrev(values))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(of_loss):
        assert np.all(np.isfinite(gradient)), path
        assert np.any(gradient != 0), path
    for path, gradient in jax.tree_util.tree_leaves_with_path(of_map):
        assert np.all(np.isfinite(gradient)), path
        if path[-1].key == "kernel":  # the map depends on all of them
            assert np.any(gradient != 0), path
