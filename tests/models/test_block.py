import jax.numpy as jnp
import pytest

from jdnet_jax.models.block import BlockSettings, round_channels


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
        (24, 3.67, 88),  # 88.08
        (80, 2.3, 184),  # 184.0
    ],
)
def test_round_channels(channels, multiplier, expected):
    assert round_channels(channels, multiplier) == expected


def test_round_channels_to_multiples_of_four():
    assert round_channels(72, 0.25, divisor=4) == 20  # 18 is halfway: up
    assert round_channels(120, 0.25, divisor=4) == 32  # 30 is halfway: up
    assert round_channels(480, 0.25, divisor=4) == 120


def test_layers_have_the_networks_settings():
    settings = BlockSettings("same", 1e-3, 0.99, jnp.bfloat16, "data")
    conv, depthwise = settings.conv(8, 3, 2, name="a"), settings.depthwise(5, 2, name="b")
    assert (conv.features, conv.kernel_size, conv.stride, conv.padding, conv.dtype) == (8, 3, 2, "same", jnp.bfloat16)
    assert (depthwise.kernel_size, depthwise.stride, depthwise.padding) == (5, 2, "same")
    assert depthwise.dtype == jnp.bfloat16
    norm = settings.norm("silu", name="c")
    assert (norm.epsilon, norm.momentum, norm.axis_name, norm.dtype) == (1e-3, 0.99, "data", jnp.bfloat16)
    assert norm.activation == "silu"
