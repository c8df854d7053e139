import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.inverted_residual import InvertedResidualSpec, Squeeze

SETTINGS = BlockSettings("symmetric", 1e-3)


def build(c_in, **changes):
    spec = InvertedResidualSpec(
        **{"channels": 16, "kernel_size": 3, "stride": 1, "expansion": 2, "activation": "relu6", **changes}
    )
    module = spec.build(SETTINGS, "block")
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, c_in))
    variables = jax.jit(lambda x: module.init(jax.random.key(1), x, train=False))(x)
    return module, variables, x


def apply(module, variables, x):
    return jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, x)


@pytest.mark.parametrize(
    ("stride", "c_in", "has_shortcut"), [(1, 16, True), (2, 16, False), (1, 8, False)], ids=["same", "strided", "wider"]
)
def test_a_shortcut_needs_the_same_shape(stride, c_in, has_shortcut):
    module, variables, x = build(c_in, stride=stride)
    variables["params"]["bn3"]["scale"] = jnp.zeros(16)  # silences the branch
    y = apply(module, variables, x)
    np.testing.assert_array_equal(y, x if has_shortcut else jnp.zeros((1, 4 // stride, 4 // stride, 16)))


def test_names_and_shapes_are_timms():
    _, variables, _ = build(16)
    kernels = {name: leaf["kernel"].shape for name, leaf in variables["params"].items() if "kernel" in leaf}
    assert kernels == {"conv_pw": (1, 1, 16, 32), "conv_dw": (3, 3, 1, 32), "conv_pwl": (1, 1, 32, 16)}
    assert variables["params"].keys() >= {"bn1", "bn2", "bn3"}
    _, variables, _ = build(16, expansion=1)
    assert variables["params"].keys() == {"conv_dw", "bn1", "conv_pw", "bn2"}
    _, variables, _ = build(24, expansion=3.67)
    assert variables["params"]["conv_pw"]["kernel"].shape[-1] == 88  # 88.08, a multiple of 8


@pytest.mark.parametrize(
    ("to", "given", "expanded", "channels"),
    [("input / 4", 24, 144, 6), ("input / 4", 40, 240, 10), ("expanded / 4", 24, 72, 24), ("expanded / 4", 16, 16, 8)],
)
def test_channels_between_the_convolutions_of_squeeze_and_excitation(to, given, expanded, channels):
    # EfficientNet does not round; MobileNetV3 rounds 18 to 24 and takes 8 at least.
    assert Squeeze(to, "relu", "sigmoid").channels(given, expanded) == channels


def test_squeeze_and_excitation_is_behind_the_depthwise_convolution():
    module, variables, x = build(16, squeeze=Squeeze("expanded / 4", "relu", "hard_sigmoid"))
    params = variables["params"]
    assert params["se"]["conv_reduce"]["kernel"].shape == (1, 1, 32, 8)
    # With closed gates nothing passes the projection: the block is its shortcut plus the last bias.
    params["se"]["conv_expand"]["bias"] = -1e3 * jnp.ones(32)
    params["bn3"]["bias"] = 2 * jnp.ones(16)
    np.testing.assert_allclose(apply(module, variables, x), x + 2, rtol=1e-6)


def test_the_activation_is_behind_the_first_two_norms():
    module, variables, x = build(16, activation="relu6")
    variables["params"]["conv_pwl"]["kernel"] = jnp.ones((1, 1, 32, 16))
    y = apply(module, variables, 100 * x) - 100 * x
    # The projection sums 32 values in [0, 6].
    assert float(y.min()) >= -1e-3
    assert 6 < float(y.max()) <= 32 * 6
