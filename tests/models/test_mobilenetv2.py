import pytest

from tests.models import network_checks


@pytest.mark.parametrize(
    ("name", "params", "channels"),
    [
        # Counts and channels of timm 1.0.31 at 1000 classes.
        ("mobilenetv2_035", 1_677_128, [8, 16, 32, 112]),
        ("mobilenetv2_050", 1_968_680, [16, 16, 48, 160]),
        ("mobilenetv2_075", 2_636_424, [24, 24, 72, 240]),
        ("mobilenetv2_100", 3_504_872, [24, 32, 96, 320]),
        ("mobilenetv2_110d", 4_516_520, [24, 32, 104, 352]),
        ("mobilenetv2_120d", 5_831_144, [32, 40, 112, 384]),
        ("mobilenetv2_140", 6_108_776, [32, 48, 136, 448]),
    ],
)
def test_sizes(name, params, channels):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)


def test_names_of_parameters_are_timms():
    module, variables, _ = network_checks.shapes("mobilenetv2_140", size=72)
    params = variables["params"]
    assert params["conv_stem"]["kernel"].shape == (3, 3, 3, 48)  # 44.8 rounds to 48
    assert params["blocks.0.0"]["conv_pw"]["kernel"].shape == (1, 1, 48, 24)
    assert params["blocks.1.0"]["conv_dw"]["kernel"].shape == (3, 3, 1, 144)
    assert params["blocks.6.0"]["conv_pwl"]["kernel"].shape == (1, 1, 1344, 448)
    assert params["conv_head"]["kernel"].shape == (1, 1, 448, 1792)  # the head grows with the width, but never shrinks
    assert set(params) >= {"bn1", "bn2", "classifier"}
    assert (module.padding, module.epsilon) == ("symmetric", 1e-5)
    assert module.input_spec.mean == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
    assert module.input_spec.std == pytest.approx((0.229 * 255, 0.224 * 255, 0.225 * 255))
