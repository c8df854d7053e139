import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.export.fold_batch_norm import fold
from jdnet_jax.models import initialization
from jdnet_jax.models.batch_norm import BatchNorm
from jdnet_jax.models.block_network import BlockNetwork
from jdnet_jax.models.conv_block import ConvBlockSpec
from jdnet_jax.models.layers import Conv, DepthwiseConv
from jdnet_jax.models.mobile_heads import HiddenHead
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.models.registry import create
from jdnet_jax.models.regnet import RegNet
from jdnet_jax.models.spec import InputSpec
from tests.export.conftest import draw, norms_left
from tests.models import network_checks


def outputs(*maps):
    """Feature maps as the outputs of a network."""
    return Outputs(logits=jnp.mean(maps[-1], (1, 2)), stages=maps)


class Net(nn.Module):
    """Two convolutions whose BatchNorms have an epsilon and an activation of their own, out of the order of names."""

    @property
    def input_spec(self):
        return InputSpec((0.0,) * 3, (1.0,) * 3, 4)

    @nn.compact
    def __call__(self, x, *, train=False):
        depthwise = DepthwiseConv(3, name="a")
        x = BatchNorm(1.0, "relu", name="z")(Conv(2, 1, name="b")(x), train=train)
        return outputs(BatchNorm(3.0, name="y")(depthwise(x), train=train))


class Others(Net):
    """A BatchNorm before a convolution with a bias, as in DenseNet, and one after it; then one of a concatenation."""

    @nn.compact
    def __call__(self, x, *, train=False):
        y = BatchNorm(1e-3, "relu", name="first")(x, train=train)
        y = Conv(4, 3, 2, use_bias=True, groups=1, name="biased")(y)
        y = BatchNorm(1e-3, "silu", name="after")(y, train=train)
        y = jnp.concatenate([y, Conv(2, 1, groups=2, name="loose")(y)], -1)
        return outputs(BatchNorm(1e-3, "relu6", name="last")(y, train=train))


class Branching(Net):
    """Convolutions whose outputs go to a BatchNorm and to somewhere else: a sum, another BatchNorm, the outputs."""

    @nn.compact
    def __call__(self, x, *, train=False):
        y = Conv(3, 3, name="to_a_sum")(x)
        y = y + BatchNorm(1e-3, "relu", name="a")(y, train=train)
        y = Conv(3, 3, use_bias=True, name="to_two")(y)
        y = BatchNorm(1e-3, name="b")(y, train=train) * BatchNorm(1e-3, name="c")(y, train=train)
        tap = DepthwiseConv(3, name="tapped")(y)
        return outputs(tap, BatchNorm(1e-3, name="d")(tap, train=train))


class Shared(Net):
    """A convolution and a BatchNorm that are each called twice."""

    @nn.compact
    def __call__(self, x, *, train=False):
        conv, norm = Conv(3, 3, name="conv"), BatchNorm(1e-3, "relu", name="norm")
        y = norm(Conv(3, 1, name="other")(x), train=train) + BatchNorm(1e-3, name="own")(conv(x), train=train)
        return outputs(norm(conv(y), train=train))


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
    np.testing.assert_allclose(folded(x).stages[0], expected.stages[0], rtol=1e-5, atol=1e-6)


def test_whole_networks_compute_the_same(resnet, mobilenet, transformer):
    for student in (resnet, mobilenet, transformer):
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
    expected = jax.jit(module.apply)(variables, x)
    network = fold(module, variables)
    assert network.params["norm_head"].keys() == {"bias"}
    labels = jnp.array([0, 1, 2, 0])
    found = jax.jit(network.__call__)(x)
    assert np.any(expected.activation(labels) > 0)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.activation(labels), expected.activation(labels), rtol=1e-4, atol=1e-5)


def test_a_network_with_positional_embeddings_of_another_size():
    branches = {"roi": "resnet_tiny", "context": "deit_tiny_distilled_test"}
    module = create("rvernet", 3, **branches)
    _, shapes = initialization.shapes(module, 32)  # its branches are published for other sizes
    network = fold(module, flax.traverse_util.path_aware_map(draw, shapes), image_size=32)
    assert network.params["roi"]["bn1"].keys() == {"bias"}


@pytest.mark.parametrize(
    "module",
    [
        create("tf_efficientnet_b0", 3),
        create("mobilenetv4_conv_medium", 3),
        create("rvernet", 3, roi="resnet_tiny", context="vit_tiny_test"),
        RegNet(3, (1, 2), (8, 16), 4),
    ],
    ids=["tf_efficientnet_b0", "mobilenetv4_conv_medium", "rvernet", "regnet"],
)
def test_every_batch_norm_behind_a_convolution_is_folded(module):
    """The families that have a form in ONNX are folded in `test_to_onnx`."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), module.input_spec.one_image())
    variables = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), shapes)
    assert not norms_left(variables, fold(module, variables).params)


def test_a_network_without_batch_norm_stays_as_it_is():
    variables = {"params": {"head": {"kernel": jnp.ones((2, 3))}}}
    assert fold(create("vit_tiny_test", 3), variables).params is variables["params"]


@pytest.mark.parametrize(
    ("module", "kept"),
    [(Others(), {"first", "last"}), (Branching(), {"a", "b", "c", "d"}), (Shared(), {"norm", "own"})],
)
def test_what_no_convolution_can_take_stays_as_scale_and_offset(module, kept):
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    shapes = jax.eval_shape(module.init, jax.random.key(0), images)
    variables = flax.traverse_util.path_aware_map(draw, shapes)
    folded = fold(module, variables)
    found = flax.traverse_util.flatten_dict(folded.params, sep="/")
    assert {name.removesuffix("/scale") for name in found if name.endswith("/scale")} == kept
    assert "after/bias" not in found  # it is in the convolution's own
    expected = jax.jit(module.apply)(variables, images)
    for a, b in zip(jax.tree.leaves(jax.jit(folded.__call__)(images)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_bias_of_a_convolution_by_hand():
    class Biased(Net):
        @nn.compact
        def __call__(self, x, *, train=False):
            return outputs(BatchNorm(1.0, name="norm")(Conv(1, 1, use_bias=True, name="conv")(x), train=train))

    params = {
        "conv": {"kernel": jnp.ones((1, 1, 3, 1)), "bias": jnp.array([4.0])},
        "norm": {"scale": jnp.array([6.0]), "bias": jnp.array([5.0])},
    }
    statistics = {"norm": {"mean": jnp.array([1.0]), "var": jnp.array([3.0])}}  # deviation 2, factor 3
    found = flax.traverse_util.flatten_dict(
        fold(Biased(), {"params": params, "batch_stats": statistics}).params, sep="/"
    )
    assert sorted(found) == ["conv/bias", "conv/kernel"]
    np.testing.assert_allclose(found["conv/kernel"], 3.0)
    np.testing.assert_allclose(found["conv/bias"], (4 - 1) * 3 + 5)
