import flax.linen as nn
import jax.numpy as jnp
import pytest

from jdnet_jax.models import catalogue, create
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.process.errors import UserError


def test_a_row_by_hand():
    row = catalogue.describe("resnet_tiny", 5)
    # Stem 3*9*16; blocks 9*(a*b + b*b) and shortcuts a*b; two vectors for each BatchNorm; classifier.
    pairs = [(16, 16), (16, 32), (32, 64)]
    convs = 3 * 9 * 16 + sum(9 * (a * b + b * b) + a * b for a, b in pairs)
    assert row["parameters"] == convs + 2 * (16 + 3 * (16 + 32 + 64)) + 64 * 5 + 5
    blocks = sum(side**2 * (9 * (a * b + b * b) + a * b) for side, (a, b) in zip((24, 12, 6), pairs, strict=True))
    assert row["multiply_adds"] == 48**2 * 3 * 9 * 16 + blocks + 64 * 5
    spec = create("resnet_tiny", 5).input_spec
    assert (row["size"], row["mean"], row["std"]) == (96, list(spec.mean), list(spec.std))
    assert row["stages"][1] == {"name": "layer2", "channels": 32, "stride": 8}
    assert row["activation_map"] == {"kind": "CAM", "grid": [6, 6]}
    assert catalogue.line(row).split() == [
        *["resnet_tiny", f"{row['parameters'] / 1e6:.2f}", f"{row['multiply_adds'] / 1e6:.1f}", "96"],
        *["123.675", "116.28", "103.53", "58.395", "57.12", "57.375", "CAM", "6x6", "16@4", "32@8", "64@16"],
    ]
    assert catalogue.head().index("px") + 2 == catalogue.line(row).index(" 96 ") + 3


def test_a_network_read_through_its_class_token(monkeypatch):
    class Transformer(nn.Module):
        input_spec = create("resnet_tiny", 5).input_spec
        stages = ()

        @nn.compact
        def __call__(self, x, train):
            self.param("a", nn.initializers.zeros, (2, 3))
            return Outputs(jnp.zeros((1, 5)), (), attention=jnp.ones((1, 7, 8)))

    monkeypatch.setattr(catalogue.registry, "create", lambda name, num_classes: Transformer())
    row = catalogue.describe("some", 5)
    assert row["activation_map"] == {"kind": "attention", "grid": [7, 8]}
    assert (row["parameters"], row["multiply_adds"]) == (6, 0)


def test_an_unknown_name():
    with pytest.raises(UserError, match="unknown model 'resnet'"):
        catalogue.describe("resnet", 5)
