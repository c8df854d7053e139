import pytest

from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.mark.parametrize(
    ("name", "params", "channels", "size"),
    [
        # Counts, channels and image sizes of timm 1.0.31 at 1000 classes.
        ("mobilenetv4_conv_small", 3_774_024, [32, 64, 96, 960], 224),
        ("mobilenetv4_conv_medium", 9_715_512, [48, 80, 160, 960], 256),
    ],
)
def test_sizes(name, params, channels, size):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)
    assert create(name, 10).input_spec.size == size


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("mobilenetv4_conv_medium", size=72)
    params = variables["params"]
    assert params["blocks.0.0"]["conv_exp"]["kernel"].shape == (3, 3, 32, 128)
    assert params["blocks.1.0"]["dw_start.conv"]["kernel"].shape == (3, 3, 1, 48)
    assert params["blocks.1.0"]["dw_mid.conv"]["kernel"].shape == (5, 5, 1, 192)
    assert params["blocks.3.10"].keys() == {
        f"{a}.{b}" for a in ("dw_start", "pw_exp", "pw_proj") for b in ("conv", "bn")
    }
    assert params["conv_head"].keys() == {"kernel"}
    assert params["norm_head"]["scale"].shape == (1280,)
