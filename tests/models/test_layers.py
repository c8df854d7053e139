import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from jdnet_jax.models import lowering
from jdnet_jax.models.convolution import DIMENSION_NUMBERS
from jdnet_jax.models.layers import Classifier, Conv, DepthwiseConv, Dropout, StochasticDepth, average_pool, max_pool
from jdnet_jax.process.errors import UserError
from tests.closeness import assert_same, with_pullback


def apply_conv(module, kernel, x):
    return module.apply({"params": {"kernel": kernel}}, x)


@pytest.mark.parametrize(("padding", "expected"), [("symmetric", [[0, 2], [8, 10]]), ("same", [[5, 7], [13, 15]])])
def test_the_padding_rule_decides_which_pixels_a_stride_takes(padding, expected):
    # A kernel that copies its centre: torch's symmetric padding starts at pixel 0, TensorFlow's at 1 on an even side.
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    centre = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    for module in (Conv(1, 3, 2, padding), DepthwiseConv(3, 2, padding)):
        np.testing.assert_array_equal(apply_conv(module, centre, x)[0, :, :, 0], expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_1x1_convolution_is_the_plain_one(stride):
    x = jax.random.normal(jax.random.key(0), (2, 5, 7, 3))
    kernel = jax.random.normal(jax.random.key(1), (1, 1, 3, 4))
    plain = functools.partial(
        lax.conv_general_dilated, window_strides=(stride, stride), padding="VALID", dimension_numbers=DIMENSION_NUMBERS
    )
    found = with_pullback(functools.partial(apply_conv, Conv(4, 1, stride)), kernel, x)
    assert_same(found, with_pullback(lambda kernel, x: plain(x, kernel), kernel, x))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_groups_and_bias(kernel_size):
    # Two groups of two channels: each is a convolution of its own.
    x = jax.random.normal(jax.random.key(0), (2, 5, 7, 4))
    kernel = jax.random.normal(jax.random.key(1), (kernel_size, kernel_size, 2, 6))
    bias = jnp.arange(6.0)
    whole = Conv(6, kernel_size, groups=2, use_bias=True).apply({"params": {"kernel": kernel, "bias": bias}}, x)
    for group in range(2):
        own = slice(3 * group, 3 * group + 3)
        part = apply_conv(Conv(3, kernel_size), kernel[..., own], x[..., 2 * group : 2 * group + 2]) + bias[own]
        np.testing.assert_allclose(whole[..., own], part, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "shape", "deviation"),
    [
        (Conv(64, 3), (3, 3, 16, 64), (2 / (9 * 64)) ** 0.5),
        (Conv(256, 1), (1, 1, 16, 256), (2 / 256) ** 0.5),
        (Conv(64, 3, groups=4), (3, 3, 4, 64), (2 / (9 * 16)) ** 0.5),
        (DepthwiseConv(5), (5, 5, 1, 16), (2 / 25) ** 0.5),
    ],
)
def test_kernels_start_with_he_fan_out(module, shape, deviation):
    kernel = module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 16)))["params"]["kernel"]
    assert kernel.shape == shape
    assert kernel.dtype == jnp.float32
    np.testing.assert_allclose(kernel.std(), deviation, rtol=0.1)


@pytest.mark.parametrize("module", [Conv(4, 3), Conv(4, 1), DepthwiseConv(3)], ids=["3x3", "1x1", "depthwise"])
def test_convolutions_compute_in_their_dtype(module):
    module = module.clone(dtype=jnp.bfloat16)
    y, variables = module.init_with_output(jax.random.key(0), jnp.ones((1, 4, 4, 4), jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert variables["params"]["kernel"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"),
    [((6, 8), 3, 2, 1), ((7, 5), 3, 2, 1), ((1, 2), 3, 2, 1), ((5, 4), 3, 1, 1), ((6, 5), 2, 2, 0), ((7, 9), 4, 3, 0)],
)
def test_max_pool_is_the_window_reduction(size, window, stride, padding):
    # Distinct values, all negative: padding must lose against every one of them, and no gradient is shared.
    values = jax.random.permutation(jax.random.key(0), 2 * size[0] * size[1] * 3)
    x = -1.0 - values.astype(jnp.float32).reshape(2, *size, 3)
    pads = ((padding, padding), (padding, padding))
    reference = functools.partial(nn.max_pool, window_shape=(window, window), strides=(stride, stride), padding=pads)
    y, (gradient,) = with_pullback(lambda x: max_pool(x, window, stride, padding), x)
    expected, (expected_gradient,) = with_pullback(reference, x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6)  # windows overlap: sums in another order


def test_the_default_of_max_pool_is_resnets():
    x = jnp.arange(25.0).reshape(1, 5, 5, 1)
    np.testing.assert_array_equal(max_pool(x)[0, :, :, 0], [[6, 8, 9], [16, 18, 19], [21, 23, 24]])


@pytest.mark.parametrize("pool", [average_pool, functools.partial(max_pool, window=2, padding=0)])
def test_an_image_smaller_than_the_window_is_refused(pool):
    with pytest.raises(UserError, match=r"^the images are too small for this network: 1x8 pixels are left .* of 2x2; "):
        pool(jnp.zeros((2, 1, 8, 3)))


def test_average_pool_by_hand():
    x = jnp.arange(20.0).reshape(1, 4, 5, 1)
    np.testing.assert_array_equal(average_pool(x)[0, :, :, 0], [[3, 5], [13, 15]])


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (2, 3)])
def test_average_pool_is_the_window_reduction(size):
    x = jax.random.normal(jax.random.key(0), (2, *size, 3))
    y, (gradient,) = with_pullback(average_pool, x)
    with lowering.plain():
        expected, (expected_gradient,) = with_pullback(average_pool, x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_average_pool_keeps_the_dtype():
    # 256 and three ones: their sum has more digits than bfloat16.
    x = jnp.array([256.0, 1, 1, 1], jnp.bfloat16).reshape(1, 2, 2, 1)
    y = average_pool(x)
    assert y.dtype == jnp.bfloat16
    assert float(y[0, 0, 0, 0]) == float(jnp.bfloat16(259 / 4))


def test_dropout_keeps_the_mean_and_is_off_outside_training():
    x = jnp.ones((64, 100))
    y = Dropout(0.25).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_allclose(sorted(set(np.unique(y))), [0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(np.mean(y == 0), 0.25, atol=0.02)
    assert len(np.unique(np.asarray(y), axis=0)) == 64  # every example has a mask of its own
    np.testing.assert_array_equal(Dropout(0.25).apply({}, x, train=False), x)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, train=True), x)


@pytest.mark.parametrize("devices", [2, 8])
def test_dropout_masks_do_not_depend_on_the_number_of_devices(devices):
    if jax.device_count() < devices:
        pytest.skip(f"needs {devices} devices")
    x, rngs = jnp.ones((8, 16)), {"dropout": jax.random.key(3)}
    whole = Dropout(0.5).apply({}, x, train=True, rngs=rngs)

    def shard(x):
        return Dropout(0.5, "data").apply({}, x, train=True, rngs=rngs)

    split = jax.pmap(shard, axis_name="data", devices=jax.devices()[:devices])(x.reshape(devices, -1, 16))
    np.testing.assert_array_equal(split.reshape(8, 16), whole)


def test_stochastic_depth_leaves_out_whole_examples():
    x = jnp.ones((400, 3, 2))
    y = np.asarray(StochasticDepth(0.25).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)}))
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :1, :1], y.shape))
    np.testing.assert_allclose(sorted(set(np.unique(y))), [0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(np.mean(y == 0), 0.25, atol=0.06)
    np.testing.assert_array_equal(StochasticDepth(0.25).apply({}, x, train=False), x)
    np.testing.assert_array_equal(StochasticDepth(0.0).apply({}, x, train=True), x)


def test_stochastic_depth_does_not_depend_on_the_number_of_devices():
    if jax.device_count() < 2:
        pytest.skip("needs 2 devices")
    x, rngs = jnp.ones((16, 2, 2)), {"dropout": jax.random.key(3)}
    whole = StochasticDepth(0.5).apply({}, x, train=True, rngs=rngs)

    def shard(x):
        return StochasticDepth(0.5, "data").apply({}, x, train=True, rngs=rngs)

    split = jax.pmap(shard, axis_name="data", devices=jax.devices()[:2])(x.reshape(2, 8, 2, 2))
    np.testing.assert_array_equal(split.reshape(x.shape), whole)


def test_a_depthwise_convolution_with_a_bias():
    layer = DepthwiseConv(3, use_bias=True, kernel_init=nn.initializers.ones)
    variables = layer.init(jax.random.key(0), jnp.ones((1, 3, 3, 2)))
    assert not np.any(variables["params"]["bias"])
    variables["params"]["bias"] = jnp.array([1.0, -1.0])
    np.testing.assert_array_equal(layer.apply(variables, jnp.ones((1, 3, 3, 2)))[0, 1, 1], [10, 8])


def test_classifier_by_hand():
    variables = {
        "params": {"kernel": jnp.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), "bias": jnp.array([0.0, 0.5, 1.0])}
    }
    logits, kernel = Classifier(3).apply(variables, jnp.array([[2.0, -1.0]], jnp.bfloat16))
    np.testing.assert_array_equal(logits, [[2.0, 3.5, 7.0]])
    np.testing.assert_array_equal(kernel, variables["params"]["kernel"])
    assert logits.dtype == jnp.float32


def test_classifier_starts_small_and_unbiased():
    params = Classifier(50).init(jax.random.key(0), jnp.zeros((1, 200)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), 0.01, rtol=0.1)
    np.testing.assert_array_equal(params["bias"], 0)
