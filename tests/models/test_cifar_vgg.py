import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.cifar_vgg import CifarVGG
from jdnet_jax.models.registry import create
from jdnet_jax.process.errors import UserError
from tests.models import network_checks


@pytest.fixture(scope="module")
def tiny():
    module = CifarVGG(5, depths=(1, 2), widths=(4, 8))
    return module, *network_checks.initialised(module, size=16)


def test_sizes():
    # At 10 classes pytorch-cifar's 20.04 M, here to the last digit; then 990 classes more.
    network_checks.assert_outputs_match_the_description(
        "cifar_vgg19_bn",
        params=20_040_522 + 990 * 513,
        stages=[(64, 1), (128, 2), (256, 4), (512, 8), (512, 16)],
        pooled=2,
    )
    assert create("cifar_vgg19_bn", 10).input_spec.size == 32


def test_names_are_torchvisions():
    _, variables, _ = network_checks.shapes("cifar_vgg19_bn")
    params = variables["params"]
    assert params["features.0"]["kernel"].shape == (3, 3, 3, 64)
    assert params["features.1"]["scale"].shape == (64,)
    assert params["features.49"]["kernel"].shape == (3, 3, 512, 512)  # the last of 16: 3 * 15 + 4 poolings before it
    assert params["features.49"]["bias"].shape == (512,)
    assert len(params) == 2 * 16 + 1


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")
    # The maps are the last tap, pooled.
    pooled = np.asarray(outputs.stages[-1]).reshape(4, 4, 2, 4, 2, 8).max((2, 4))
    np.testing.assert_array_equal(outputs.maps, pooled)


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)


def test_images_that_five_poolings_use_up_are_refused():
    module = create("cifar_vgg19_bn", 10)
    with pytest.raises(UserError, match=r"^the images are too small for this network: 1x1 pixels are left"):
        jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 31, 31, 3))))
