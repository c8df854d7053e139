import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.universal_inverted_bottleneck import FusedInvertedBottleneckSpec, UniversalInvertedBottleneckSpec


def build(spec, c_in=16, size=8):
    module = spec.build(BlockSettings(), "block")
    x = jax.random.normal(jax.random.key(0), (2, size, size, c_in))
    return module, jax.jit(lambda x: module.init(jax.random.key(1), x, train=False))(x), x


def shapes(spec):
    module = spec.build(BlockSettings(), "block")
    x = jnp.zeros((2, 8, 8, 16))
    return module, jax.eval_shape(lambda: module.init(jax.random.key(1), x, train=False)), x


@pytest.mark.parametrize(
    ("start", "middle", "kernels"),
    [
        (3, 5, {"dw_start.conv": (3, 3, 1, 16), "dw_mid.conv": (5, 5, 1, 32)}),
        (0, 5, {"dw_mid.conv": (5, 5, 1, 32)}),
        (3, 0, {"dw_start.conv": (3, 3, 1, 16)}),
        (0, 0, {}),
    ],
    ids=["extra depthwise", "inverted residual", "like ConvNeXt", "feed-forward"],
)
def test_names_and_shapes_are_timms(start, middle, kernels):
    module, variables, x = shapes(UniversalInvertedBottleneckSpec(16, start, middle, 1, 2))
    params = variables["params"]
    kernels = {**kernels, "pw_exp.conv": (1, 1, 16, 32), "pw_proj.conv": (1, 1, 32, 16)}
    assert {name: leaf["kernel"].shape for name, leaf in params.items() if "kernel" in leaf} == kernels
    assert {name for name in params if name.endswith("bn")} == {name.replace(".conv", ".bn") for name in kernels}
    assert jax.eval_shape(lambda v: module.apply(v, x, train=False), variables).shape == x.shape


@pytest.mark.parametrize(("stride", "c_in"), [(1, 16), (2, 16), (1, 8)])
def test_a_shortcut_needs_the_same_shape(stride, c_in):
    module, variables, x = build(UniversalInvertedBottleneckSpec(16, 3, 3, stride, 2), c_in)
    variables["params"]["pw_proj.bn"]["scale"] = jnp.zeros(16)  # silences the branch
    y = jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, x)
    expected = x if (stride, c_in) == (1, 16) else jnp.zeros((2, 8 // stride, 8 // stride, 16))
    np.testing.assert_array_equal(y, expected)


def test_relu_is_behind_expansion_and_middle_alone():
    module, variables, x = build(UniversalInvertedBottleneckSpec(16, 3, 3, 1, 2))
    apply = jax.jit(lambda v, x: module.apply(v, x, train=False))
    for silenced, passes in [("pw_exp.bn", False), ("dw_mid.bn", False), ("dw_start.bn", True)]:
        norm = variables["params"][silenced]
        params = {**variables["params"], silenced: {**norm, "bias": norm["bias"] - 50}}
        branch = apply({**variables, "params": params}, x) - x
        assert np.any(np.abs(branch) > 1e-3) == passes, silenced


def test_the_fused_block():
    module, variables, x = build(FusedInvertedBottleneckSpec(48, 3, 2, 4), c_in=32)
    params = variables["params"]
    assert {name: leaf["kernel"].shape for name, leaf in params.items() if "kernel" in leaf} == {
        "conv_exp": (3, 3, 32, 128),
        "conv_pwl": (1, 1, 128, 48),
    }
    y = module.apply(variables, x, train=False)
    assert y.shape == (2, 4, 4, 48)
    assert float(y.min()) < 0 < float(y.max())  # no activation at the end
    params["bn1"]["bias"] = -100 * jnp.ones(128)  # ReLU closes behind the expansion
    np.testing.assert_array_equal(module.apply(variables, x, train=False), jnp.zeros(y.shape))
