import numpy as np
import pytest

from jdnet_jax.models import torch_layout


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("params", "conv_stem", "kernel"), "conv_stem.weight"),
        (("params", "blocks.0.1", "bn1", "scale"), "blocks.0.1.bn1.weight"),
        (("batch_stats", "blocks.0.1", "bn1", "mean"), "blocks.0.1.bn1.running_mean"),
        (("batch_stats", "bn1", "var"), "bn1.running_var"),
        (("params", "fc", "bias"), "fc.bias"),
    ],
)
def test_names(path, name):
    assert torch_layout.torch_name(path) == name


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (4, 5), (5,)])
def test_arrays_come_back_and_have_the_shape_of_torch(shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    there = torch_layout.to_torch(array)
    assert there.shape == torch_layout.torch_shape(shape)
    assert there.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(torch_layout.from_torch(there), array)


def test_a_convolution_by_hand():
    kernel = np.zeros((3, 2, 4, 5))
    kernel[2, 1, 3, 4] = 7.0  # row 2, column 1, input 3, output 4
    assert torch_layout.to_torch(kernel)[4, 3, 2, 1] == 7.0
    assert torch_layout.to_torch(np.array([[1.0, 2.0, 3.0]])).tolist() == [[1.0], [2.0], [3.0]]


def test_a_linear_layer_becomes_a_1x1_convolution_where_the_network_has_one():
    linear = np.arange(6.0).reshape(2, 3)
    convolution = torch_layout.as_convolution(linear, (1, 1, 3, 2))
    assert convolution.shape == torch_layout.torch_shape((1, 1, 3, 2))
    np.testing.assert_array_equal(convolution[..., 0, 0], linear)
    for same in ((3, 2), (3, 3, 3, 2), (2,)):
        assert torch_layout.as_convolution(linear, same) is linear
    kernel = np.zeros((2, 3, 1, 1))
    assert torch_layout.as_convolution(kernel, (1, 1, 3, 2)) is kernel
