import pytest

from jdnet_jax.models.registry import create
from jdnet_jax.models.spec import InputSpec
from tests.models import network_checks


@pytest.mark.parametrize(
    ("name", "params", "channels", "size"),
    [
        # Counts, channels and image sizes of timm 1.0.31 at 1000 classes.
        ("tf_efficientnet_lite0", 4_652_008, [24, 40, 112, 320], 224),
        ("tf_efficientnet_lite1", 5_416_680, [24, 40, 112, 320], 240),
        ("tf_efficientnet_lite2", 6_092_072, [24, 48, 120, 352], 260),
        ("tf_efficientnet_lite3", 8_197_096, [32, 48, 136, 384], 300),
        ("tf_efficientnet_lite4", 13_006_568, [32, 56, 160, 448], 380),
    ],
)
def test_sizes(name, params, channels, size):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)
    assert create(name, 10).input_spec == InputSpec((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), size)


def test_compound_scaling_spares_the_ends():
    module, variables, _ = network_checks.shapes("tf_efficientnet_lite2", size=72)
    assert [len(blocks) for blocks in module.table] == [1, 3, 3, 4, 4, 5, 1]
    params = variables["params"]
    assert params["conv_stem"]["kernel"].shape == (3, 3, 3, 32)
    assert params["conv_head"]["kernel"].shape == (1, 1, 352, 1280)
    assert params["blocks.2.0"]["conv_dw"]["kernel"].shape == (5, 5, 1, 144)
    assert (module.padding, module.epsilon) == ("same", 1e-3)
