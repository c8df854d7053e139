import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jdnet_jax.models import lowering
from jdnet_jax.models.convolution import DIMENSION_NUMBERS
from jdnet_jax.models.grouped import grouped_conv
from tests.closeness import assert_same

ONE_PIXEL = ((1, 1), (1, 1))


def plain(x, kernel, groups, stride, pads):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=DIMENSION_NUMBERS, feature_group_count=groups
    )


def convolutions(function, *args):
    """Number of convolutions that the CPU is given for it."""
    return jax.jit(function).lower(*args).as_text().count("stablehlo.convolution")


def test_by_hand():
    # Groups of one input and two outputs: the pixel itself and its double.
    x = jnp.array([[1.0, 10.0], [2.0, 20.0]]).reshape(1, 1, 2, 2)
    kernel = jnp.array([1.0, 2.0, 1.0, 2.0]).reshape(1, 1, 1, 4)
    y = grouped_conv(x, kernel, 2, 1, ((0, 0), (0, 0)))
    np.testing.assert_array_equal(y[0, 0], [[1, 2, 10, 20], [2, 4, 20, 40]])


@pytest.mark.parametrize(
    ("groups", "inputs", "outputs", "stride", "size"),
    [
        (6, 4, 4, 1, (6, 5)),  # all in one convolution
        (12, 8, 4, 2, (7, 6)),  # four groups in each
        (5, 8, 3, 2, (5, 5)),  # a prime number of groups, too many for one: each for itself
        (2, 40, 2, 1, (3, 4)),  # groups that are wide enough
    ],
)
def test_equals_the_plain_form_and_its_gradients(groups, inputs, outputs, stride, size):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, *size, groups * inputs))
    kernel = jax.random.normal(keys[1], (3, 3, inputs, groups * outputs))
    expected = plain(x, kernel, groups, stride, ONE_PIXEL)
    g = jax.random.normal(keys[2], expected.shape)

    def with_gradients(conv):
        y, vjp = jax.vjp(lambda x, kernel: conv(x, kernel, groups, stride, ONE_PIXEL), x, kernel)
        return y, *vjp(g)

    ours, plains = jax.jit(lambda: (with_gradients(grouped_conv), with_gradients(plain)))()
    assert_same(ours, plains)


def test_bfloat16():
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 8), jnp.bfloat16)
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 4, 8), jnp.bfloat16)
    y, vjp = jax.vjp(lambda x, kernel: grouped_conv(x, kernel, 2, 1, ONE_PIXEL), x, kernel)
    assert y.dtype == jnp.bfloat16
    assert all(gradient.dtype == jnp.bfloat16 for gradient in vjp(y))
    wide = plain(x.astype(jnp.float32), kernel.astype(jnp.float32), 2, 1, ONE_PIXEL)
    np.testing.assert_allclose(y.astype(jnp.float32), wide, rtol=0.02, atol=0.05)


def test_the_plain_lowering_is_one_grouped_convolution():
    x, kernel = jnp.zeros((1, 4, 4, 80)), jnp.zeros((3, 3, 40, 80))
    assert convolutions(lambda x, kernel: grouped_conv(x, kernel, 2, 1, ONE_PIXEL), x, kernel) == 2
    with lowering.plain():
        text = jax.jit(lambda x, kernel: grouped_conv(x, kernel, 2, 1, ONE_PIXEL)).lower(x, kernel).as_text()
    assert text.count("stablehlo.convolution") == 1
    assert "feature_group_count = 2" in text
