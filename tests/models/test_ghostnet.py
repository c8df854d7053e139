from tests.models import network_checks


def test_sizes():
    # Counts and taps of timm 1.0.31 at 1000 classes.
    stages = [(24, 4), (40, 8), (80, 16), (160, 32)]
    network_checks.assert_outputs_match_the_description("ghostnet_100", params=5_182_508, stages=stages, size=72)


def test_names_of_parameters_are_timms():
    module, variables, outputs = network_checks.shapes("ghostnet_100", size=72)
    params = variables["params"]
    assert [stage.name for stage in module.stages] == ["blocks.1", "blocks.3", "blocks.5", "blocks.7"]
    assert params["blocks.3.0"]["se"]["conv_reduce"]["kernel"].shape == (1, 1, 72, 20)  # 18 rounds to 20
    assert params["blocks.6.4"]["ghost2"]["cheap_operation.0"]["kernel"].shape == (3, 3, 1, 56)
    assert params["blocks.9.0"]["conv"]["kernel"].shape == (1, 1, 160, 960)
    assert outputs.hidden.maps.shape[-1] == 960
