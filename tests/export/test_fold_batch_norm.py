import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.export.fold_batch_norm import fold
from jdnet_jax.models import names
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.mobile_heads import HiddenHead
from jdnet_jax.models.registry import create
from jdnet_jax.models.spec import InputSpec
from tests.models import network_checks


class Net(nn.Module):
    """Two convolutions whose BatchNorms have an epsilon and an activation of their own, out of the order of names."""

    @property
    def input_spec(self):
        return InputSpec((0.0,) * 3, (1.0,) * 3, 4)

    @nn.compact
    def __call__(self, x, *, train=False):
        depthwise = DepthwiseConv(3, name="a")
        x = BatchNorm(1.0, "relu", name="z")(Conv(2, 1, name="b")(x), train=train)
        return BatchNorm(3.0, name="y")(depthwise(x), train=train)


class Loose(Net):
    @nn.compact
    def __call__(self, x, *, train=False):
        return BatchNorm(1.0, name="bn")(x + 1.0, train=train)


def test_by_hand():
    kernel = jnp.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])[None, None]  # 1x1, of three inputs and two outputs
    params = {
        "b": {"kernel": kernel},
        "z": {"scale": jnp.array([2.0, 3.0]), "bias": jnp.array([5.0, 7.0])},
        "a": {"kernel": jnp.ones((3, 3, 1, 2))},
        "y": {"scale": jnp.array([1.0, 1.0]), "bias": jnp.array([0.0, 0.0])},
    }
    statistics = {
        "z": {"mean": jnp.array([1.0, 2.0]), "var": jnp.array([3.0, 8.0])},  # deviations 2 and 3
        "y": {"mean": jnp.array([0.5, 1.0]), "var": jnp.array([1.0, 97.0])},  # deviations 2 and 10
    }
    folded = fold(Net(), {"params": params, "batch_stats": statistics})
    found = flax.traverse_util.flatten_dict(folded.params, sep="/")
    assert sorted(found) == ["a/kernel", "b/kernel", "y/bias", "z/bias"]
    np.testing.assert_allclose(found["b/kernel"], kernel)  # factors 2 / 2 and 3 / 3
    np.testing.assert_allclose(found["z/bias"], [4.0, 5.0])  # 5 - 1 and 7 - 2
    np.testing.assert_allclose(found["a/kernel"][1, 1, 0], [0.5, 0.1])
    np.testing.assert_allclose(found["y/bias"], [-0.25, -0.1])
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    expected = Net().apply({"params": params, "batch_stats": statistics}, x)
    np.testing.assert_allclose(folded(x), expected, rtol=1e-5, atol=1e-6)


def test_whole_networks_compute_the_same(resnet, mobilenet):
    for student in (resnet, mobilenet):
        network = student.function.network
        x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
        expected = jax.jit(network.module.apply)(student.variables, x)
        found = jax.jit(network.__call__)(x)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(np.abs(b).max()))


def test_a_norm_in_the_hidden_layer_behind_the_pooling():
    head = HiddenHead(6, "relu", norm=True)
    table = ((ConvBlockSpec(5, 1, 2, "relu"),),)
    spec = InputSpec((0.0,) * 3, (1.0,) * 3, 16)
    module = BlockNetwork(3, table, stem=4, activation="relu", head=head, spec=spec, epsilon=1e-3)
    variables, x = network_checks.initialised(module, size=16)
    expected = module.apply(variables, x)
    network = fold(module, variables)
    assert network.params["norm_head"].keys() == {"bias"}
    labels = jnp.array([0, 1, 2, 0])
    found = network(x)
    assert np.any(expected.activation(labels) > 0)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.activation(labels), expected.activation(labels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", names())
def test_every_network_of_the_zoo_can_be_folded(name):
    module = create(name, 3)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    folded = flax.traverse_util.flatten_dict(fold(module, variables).params)
    assert not [path for path in folded if path[-1] == "scale"]
    norms = {path[:-1] for path in flax.traverse_util.flatten_dict(variables["batch_stats"])}
    assert norms <= {path[:-1] for path in folded if path[-1] == "bias"}


def test_a_batch_norm_that_follows_no_convolution():
    variables = Loose().init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))
    with pytest.raises(ValueError, match="bn does not follow a convolution"):
        fold(Loose(), variables)
