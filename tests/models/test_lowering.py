import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.layers import Conv, DepthwiseConv, average_pool, max_pool
from jdnet_jax.models.outputs import Outputs


def forms(function, *args):
    """The names of the operations that the function consists of, and its value, in both forms."""
    found = []
    for context in (None, lowering.plain()):
        if context is None:
            traced = jax.make_jaxpr(lambda *a: function(*a))(*args)
            value = jax.jit(lambda *a: function(*a))(*args)
        else:
            with context:
                traced = jax.make_jaxpr(lambda *a: function(*a))(*args)
                value = jax.jit(lambda *a: function(*a))(*args)
        found.append(([equation.primitive.name for equation in traced.eqns], np.asarray(value)))
    return found


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (Conv(5, 1, 2), 7),
        (Conv(5, 3, 2, "same"), 7),
        (DepthwiseConv(3, 2, "same"), 8),
        (DepthwiseConv(5, 1, "symmetric"), 7),
    ],
    ids=lambda value: str(value).partition("(")[0],
)
def test_a_convolution_is_one_operation_and_the_same(layer, size):
    x = jax.random.normal(jax.random.key(0), (2, size, size, 4))
    variables = layer.init(jax.random.key(1), x)
    (_, fast), (operations, plain) = forms(layer.apply, variables, x)
    assert operations == ["conv_general_dilated"]
    np.testing.assert_allclose(plain, fast, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("window", "stride", "padding"), [(3, 2, 1), (3, 1, 1), (2, 2, 0)])
def test_max_pooling_is_one_operation_and_the_same(size, window, stride, padding):
    x = jax.random.normal(jax.random.key(0), (2, size, size, 4))
    (_, fast), (operations, plain) = forms(lambda x: max_pool(x, window, stride, padding), x)
    assert operations == ["reduce_window_max"]
    np.testing.assert_array_equal(plain, fast)


@pytest.mark.parametrize("size", [7, 8])
def test_average_pooling_is_a_window_reduction_and_the_same(size):
    x = jax.random.normal(jax.random.key(0), (2, size, size, 4))
    (fast_operations, fast), (operations, plain) = forms(average_pool, x)
    assert "reduce_window_sum" not in fast_operations
    assert operations == ["reduce_window_sum", "div"]
    np.testing.assert_allclose(plain, fast, rtol=1e-5, atol=1e-6)


def test_an_activation_map_looks_its_class_up_and_is_the_same():
    keys = jax.random.split(jax.random.key(0), 2)
    outputs = Outputs(
        logits=jnp.zeros((3, 5)),
        stages=(),
        maps=jax.random.normal(keys[0], (3, 2, 2, 4)),
        kernel=jax.random.normal(keys[1], (4, 5)),
    )
    labels = jnp.array([4, 0, 2])
    (_, fast), (_, plain) = forms(outputs.activation, labels)
    np.testing.assert_allclose(plain, fast, rtol=1e-5, atol=1e-6)
    with lowering.plain():
        text = str(jax.make_jaxpr(lambda x: outputs.activation(x))(labels))
    assert "gather" in text


def test_the_form_is_fast_again_outside():
    def fail():
        with lowering.plain():
            assert lowering.is_plain()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not lowering.is_plain()
    kernel, x = jnp.ones((3, 3, 1, 2)), jnp.ones((1, 4, 4, 2))
    layer = DepthwiseConv(3)
    names = [e.primitive.name for e in jax.make_jaxpr(lambda: layer.apply({"params": {"kernel": kernel}}, x))().eqns]
    assert "conv_general_dilated" not in names


def test_the_platform_is_the_process_own_unless_told():
    assert lowering.platform() == jax.default_backend()
    with lowering.for_platform("tpu"):
        assert (lowering.platform(), lowering.on_cpu(), lowering.cpu_forms()) == ("tpu", False, False)
    assert lowering.on_cpu() == (jax.default_backend() == "cpu")
    with lowering.for_platform("cpu"), lowering.plain():
        assert (lowering.on_cpu(), lowering.cpu_forms()) == (True, False)


@pytest.mark.parametrize("platform", ["tpu", "gpu", lowering.ANY])
@pytest.mark.parametrize(
    ("layer", "operation"),
    [(Conv(5, 1, 2), "conv_general_dilated"), (max_pool, "reduce_window_max")],
    ids=["1x1", "pool"],
)
def test_other_platforms_get_xlas_own_operations(platform, layer, operation):
    """Of a slice before a product XLA's compiler for GPUs dies, and shifted maxima cost a TPU four times the memory."""
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
    variables = layer.init(jax.random.key(1), x) if isinstance(layer, Conv) else None

    def value(x):
        return layer(x) if variables is None else layer.apply(variables, x)

    def gradients(x):
        return jax.vjp(value, x)[1](jnp.cos(value(x)))[0]

    with lowering.for_platform("cpu"):
        expected, expected_gradients = value(x), gradients(x)
    with lowering.for_platform(platform):
        traced = jax.make_jaxpr(lambda x: value(x))(x)
        found, found_gradients = value(x), gradients(x)
    assert [equation.primitive.name for equation in traced.eqns] == [operation]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found_gradients, expected_gradients, rtol=1e-5, atol=1e-6)
