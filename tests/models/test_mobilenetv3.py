import pytest

from jdnet_jax.models.registry import create
from tests.models import network_checks


@pytest.mark.parametrize(
    ("name", "params", "channels"),
    [
        # Counts and channels of timm 1.0.31 at 1000 classes.
        ("mobilenetv3_large_100", 5_483_032, [24, 40, 112, 960]),
        ("mobilenetv3_small_100", 2_542_856, [16, 24, 48, 576]),
    ],
)
def test_sizes(name, params, channels):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("mobilenetv3_large_100", size=72)
    params = variables["params"]
    assert params["blocks.1.1"]["conv_pw"]["kernel"].shape == (1, 1, 24, 72)
    assert params["blocks.2.0"]["se"]["conv_reduce"]["kernel"].shape == (1, 1, 72, 24)  # 18 rounds to 24
    assert params["blocks.3.2"]["conv_dw"]["kernel"].shape == (3, 3, 1, 184)
    assert "se" not in params["blocks.3.2"]
    assert params["blocks.6.0"]["conv"]["kernel"].shape == (1, 1, 160, 960)
    assert params["conv_head"]["bias"].shape == (1280,)
    assert "bn2" not in params


@pytest.mark.parametrize("size", ["large", "small"])
def test_torchvisions_differ_in_their_norms_alone(size):
    timm, torchvision = create(f"mobilenetv3_{size}_100", 10), create(f"mobilenet_v3_{size}", 10)
    assert (timm.epsilon, timm.momentum) == (1e-5, 0.9)
    assert (torchvision.epsilon, torchvision.momentum) == (1e-3, 0.99)
    assert torchvision.clone(epsilon=1e-5, momentum=0.9) == timm
