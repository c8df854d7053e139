import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jdnet_jax.models import padding
from jdnet_jax.models.convolution import DIMENSION_NUMBERS
from jdnet_jax.models.depthwise import GROUPED, SHIFTED, depthwise_conv, pad

CASES = [
    # height, width, kernel size, stride, padding
    (8, 8, 3, 1, "same"),
    (8, 8, 3, 2, "same"),
    (7, 9, 3, 2, "same"),
    (7, 9, 3, 2, "symmetric"),
    (9, 6, 5, 1, "symmetric"),
    (9, 6, 5, 2, "symmetric"),
    (8, 5, 5, 2, "same"),
    (2, 3, 5, 1, "same"),  # an image smaller than the kernel
    (1, 1, 5, 2, "same"),
]


def plain(x, kernel, stride, pads):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=DIMENSION_NUMBERS, feature_group_count=x.shape[-1]
    )


def draw(height, width, kernel_size, stride, rule, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, height, width, 4), dtype)
    kernel = jax.random.normal(keys[1], (kernel_size, kernel_size, 1, 4), dtype)
    pads = padding.resolve(rule, (height, width), kernel_size, stride)
    y = plain(x, kernel, stride, pads)
    return x, kernel, stride, pads, jax.random.normal(keys[2], y.shape, dtype)


def with_gradients(conv, x, kernel, stride, pads, g):
    y, vjp = jax.vjp(lambda x, kernel: conv(x, kernel, stride, pads), x, kernel)
    return y, *vjp(g)


def test_by_hand():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    x = jnp.concatenate([x, -x], -1)
    kernel = jnp.zeros((3, 3, 1, 2)).at[0, 1, 0, 0].set(1.0).at[1, 1, 0, 1].set(2.0)
    # The first channel takes the pixel above, the second doubles its own.
    above = [[0, 0, 0], [0, 1, 2], [3, 4, 5]]
    doubled = [[0, -2, -4], [-6, -8, -10], [-12, -14, -16]]
    y = depthwise_conv(x, kernel, 1, ((1, 1), (1, 1)))
    np.testing.assert_array_equal(y[0, :, :, 0], above)
    np.testing.assert_array_equal(y[0, :, :, 1], doubled)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_plain_form_and_its_gradients(case):
    args = draw(*case)
    ours, plains = jax.jit(lambda: (with_gradients(depthwise_conv, *args), with_gradients(plain, *args)))()
    for value, expected in zip(ours, plains, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", [CASES[1], CASES[4]], ids=str)
def test_bfloat16_is_as_good_as_float32_rounded_once(case):
    x, kernel, stride, pads, g = draw(*case, dtype=jnp.bfloat16)
    ours = jax.jit(lambda: with_gradients(depthwise_conv, x, kernel, stride, pads, g))()
    wide = with_gradients(plain, *(a.astype(jnp.float32) for a in (x, kernel)), stride, pads, g.astype(jnp.float32))
    for value, expected in zip(ours, wide, strict=True):
        assert value.dtype == jnp.bfloat16
        np.testing.assert_array_equal(value, expected.astype(jnp.bfloat16))


@pytest.mark.parametrize("case", [CASES[0], CASES[5]], ids=str)
def test_both_forms_are_one_function(case):
    x, kernel, stride, pads, g = draw(*case)
    padded = pad(x, pads)

    @jax.jit
    def both():
        return [
            (form.convolve(padded, kernel, stride=stride), *form.gradients(padded, kernel, g, stride=stride))
            for form in (SHIFTED, GROUPED)
        ]

    for shifted, grouped in zip(*both(), strict=True):
        np.testing.assert_allclose(shifted, grouped, rtol=1e-5, atol=1e-5)
