import pytest

from jdnet_jax.benchmark import accelerators
from jdnet_jax.process.errors import UserError


@pytest.mark.parametrize(
    ("name", "chips", "topology"),
    [
        ("v5e-1", 1, "v5e:1x1"),
        ("v5e-8", 8, "v5e:2x4"),
        ("v5e-16", 16, "v5e:4x4"),
        ("v5p-8", 4, "v5p:2x2x1"),  # the number is that of the cores
        ("v5p-32", 16, "v5p:2x2x4"),
        ("v6e-256", 256, "v6e:16x16"),
    ],
)
def test_the_torus_of_a_tpu(name, chips, topology):
    device = accelerators.parse(name)
    assert device.count == chips
    assert device.topology()["topology_name"] == topology


def test_a_gpus_card_is_described():
    topology = accelerators.parse("h200-16").topology()
    assert topology["topology"] == "1x2x8"
    assert "core_count: 132" in topology["target_config"]
    assert "major: 9" in topology["target_config"]
    assert "NVIDIA H200" in topology["target_config"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v7-8", "--device: unknown device 'v7'"),
        ("v5e", "--device=v5e: the number of chips after v5e- must be a power of two"),
        ("v5e-2", "--device=v5e-2: the number"),
        ("h100-3", "--device=h100-3: the number"),
        ("v5p-1", "--device=v5p-1: the number"),
    ],
)
def test_a_device_that_is_not_sold_is_one_line(name, message):
    with pytest.raises(UserError, match=f"^{message}"):
        accelerators.parse(name)
