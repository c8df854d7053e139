import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.inverted_residual import InvertedResidual, InvertedResidualNet, StageSpec, round_channels, scale
from jdnet_jax.models.spec import InputSpec, Stage
from tests.models import network_checks

ROWS = (
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=1, channels=8),
    StageSpec(repeats=2, kernel_size=3, stride=2, expansion=2, channels=8),
    StageSpec(repeats=1, kernel_size=5, stride=2, expansion=2, channels=16),
    StageSpec(repeats=1, kernel_size=3, stride=1, expansion=2, channels=24),
)


@pytest.fixture(scope="module")
def net():
    spec = InputSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 32)
    module = InvertedResidualNet(5, ROWS, stem=8, head=20, spec=spec, padding="same", epsilon=1e-3)
    return module, *network_checks.initialised(module)


@pytest.mark.parametrize(
    ("channels", "multiplier", "expected"),
    [
        (32, 1.0, 32),
        (24, 0.5, 16),  # 12 is halfway: up
        (32, 0.35, 16),  # 11.2 -> 8 would lose 29 %: up
        (16, 0.35, 8),  # 5.6: 8 is the least
        (96, 1.1, 104),  # 105.6 -> 104 loses 1.5 %
        (40, 1.1, 48),  # 44 is halfway: up
        (24, 1.1, 24),  # 26.4 -> 24 loses 9.1 %
    ],
)
def test_round_channels(channels, multiplier, expected):
    assert round_channels(channels, multiplier) == expected


def test_scale_multiplies_channels_and_depth():
    assert [(row.channels, row.repeats) for row in scale(ROWS, width=2.0, depth=1.2)] == [
        (16, 2),
        (16, 3),
        (32, 2),
        (48, 2),
    ]
    assert [row.repeats for row in scale(ROWS, width=1.0, depth=1.2, fix_ends=True)] == [1, 3, 2, 1]
    assert scale(ROWS, width=1.0) == ROWS


def test_taps_are_the_last_rows_of_their_stride(net):
    module, variables, images = net
    assert module.stages == (Stage("blocks.1", 8, 4), Stage("blocks.3", 24, 8))
    outputs = jax.jit(module.apply)(variables, images)
    assert [stage.shape for stage in outputs.stages] == [(4, 8, 8, 8), (4, 4, 4, 24)]
    assert outputs.maps.shape == (4, 4, 4, 20)  # behind the head convolution


def test_head(net):
    module, variables, images = net
    network_checks.assert_head_is_gap_and_linear(
        module, variables, jax.jit(module.apply)(variables, images), "classifier"
    )


def test_activations_lie_in_relu6s_range(net):
    module, variables, images = net
    maps = jax.jit(module.apply)(variables, 100 * images).maps
    assert float(maps.min()) == 0
    assert float(maps.max()) == 6


def test_bfloat16(net):
    network_checks.assert_bfloat16_is_close(*net)


@pytest.mark.parametrize(
    ("stride", "c_in", "has_shortcut"), [(1, 16, True), (2, 16, False), (1, 8, False)], ids=["same", "strided", "wider"]
)
def test_a_shortcut_needs_the_same_shape(stride, c_in, has_shortcut):
    row = StageSpec(repeats=1, kernel_size=3, stride=1, expansion=2, channels=16)
    block = InvertedResidual(row, stride, "symmetric", 1e-3, jnp.float32, None)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, c_in))
    variables = block.init(jax.random.key(1), x, train=False)
    variables["params"]["bn3"]["scale"] = jnp.zeros(16)  # silences the branch
    y = block.apply(variables, x, train=False)
    np.testing.assert_array_equal(y, x if has_shortcut else jnp.zeros((1, 4 // stride, 4 // stride, 16)))


def test_a_training_step_moves_every_parameter(net, strict_promotion):
    module, variables, images = net
    module = module.clone(drop_rate=0.2)

    def loss(params):
        outputs, _ = module.apply(
            {**variables, "params": params},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return -jnp.mean(jax.nn.log_softmax(outputs.logits)[:, 0])

    for path, gradient in jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(variables["params"])):
        assert np.all(np.isfinite(gradient)), path
        assert np.any(gradient != 0), path
