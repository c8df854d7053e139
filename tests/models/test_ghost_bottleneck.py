import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.ghost_bottleneck import GhostBottleneckSpec, GhostModule


def test_the_second_half_is_made_from_the_first():
    module = GhostModule(8, "relu", BlockSettings())
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 6))
    y, variables = jax.jit(lambda x: module.init_with_output(jax.random.key(1), x, train=False))(x)
    kernels = {name: leaf["kernel"].shape for name, leaf in variables["params"].items() if "kernel" in leaf}
    assert kernels == {"primary_conv.0": (1, 1, 6, 4), "cheap_operation.0": (3, 3, 1, 4)}
    assert y.shape == (2, 4, 4, 8)
    # A depthwise kernel that is one in the middle copies the first half, which is not negative.
    variables["params"]["cheap_operation.0"]["kernel"] = jnp.zeros((3, 3, 1, 4)).at[1, 1].set(1)
    y = module.apply(variables, x, train=False)
    assert np.any(y[..., :4] != 0)
    np.testing.assert_allclose(y[..., 4:], y[..., :4], rtol=1e-4)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (GhostBottleneckSpec(16, 3, 1, 32, squeeze=False), {"ghost1", "ghost2"}),
        (GhostBottleneckSpec(16, 3, 1, 32, squeeze=True), {"ghost1", "ghost2", "se"}),
        (
            GhostBottleneckSpec(24, 5, 2, 32, squeeze=False),
            {"ghost1", "ghost2", "conv_dw", "bn_dw", *(f"shortcut.{i}" for i in range(4))},
        ),
        (
            GhostBottleneckSpec(24, 3, 1, 32, squeeze=False),
            {"ghost1", "ghost2", *(f"shortcut.{i}" for i in range(4))},
        ),
    ],
    ids=["plain", "squeeze", "strided", "wider"],
)
def test_names_are_timms_and_the_shortcut_fits(spec, names):
    module = spec.build(BlockSettings(), "block")
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 16))
    y, variables = jax.jit(lambda x: module.init_with_output(jax.random.key(1), x, train=False))(x)
    apply = jax.jit(lambda v, x: module.apply(v, x, train=False))
    params = variables["params"]
    assert params.keys() == names
    assert y.shape == (2, 8 // spec.stride, 8 // spec.stride, spec.channels)
    if "se" in names:
        assert params["se"]["conv_reduce"]["kernel"].shape == (1, 1, 32, 8)
    for norm in ("primary_conv.1", "cheap_operation.1"):  # silences the branch
        params["ghost2"][norm]["scale"] = jnp.zeros(spec.channels // 2)
    y = apply(variables, x)
    if "shortcut.0" not in names:
        np.testing.assert_array_equal(y, x)
    else:
        assert np.any(y != 0)
        params["shortcut.3"]["scale"] = jnp.zeros(spec.channels)
        np.testing.assert_array_equal(apply(variables, x), jnp.zeros(y.shape))
