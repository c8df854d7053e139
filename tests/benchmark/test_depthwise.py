import jax
import pytest

from jdnet_jax.benchmark import depthwise, machine
from jdnet_jax.benchmark.depthwise import Layer
from jdnet_jax.models import registry
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny


def test_the_depthwise_layers_of_mobilenetv2():
    module = registry.create("mobilenetv2_100", num_classes=5)
    found = depthwise.layers(module, 224)
    # Table 2 of Sandler et al. (CVPR 2018): the 17 bottlenecks, of which four halve the image.
    assert sum(found.values()) == 17
    assert sum(count for layer, count in found.items() if layer.stride == 2) == 4
    assert found[Layer(112, 112, 32, 3, 1, ((1, 1), (1, 1)))] == 1
    assert found[Layer(7, 7, 960, 3, 1, ((1, 1), (1, 1)))] == 3
    assert str(Layer(112, 112, 32, 3, 1, ((1, 1), (1, 1)))) == "112x112x32 3x3/1"


def test_every_layer_is_timed_in_both_forms_at_a_devices_batch(monkeypatch):
    shapes = []

    def timed(run, seconds):
        shapes.append([value.shape for value in jax.tree.leaves(run.args)])
        assert seconds == 0.25
        return [float(len(shapes))]

    monkeypatch.setattr(machine, "timed", timed)
    monkeypatch.setattr(depthwise, "layers", lambda *_: depthwise.Counter({Layer(6, 4, 3, 3, 2, ((1, 1), (1, 1))): 2}))
    config = tiny.config()
    config.batch_size, config.grad_accum = 8 * jax.device_count(), 2
    result = depthwise.measure(config, 5, 0.25)
    x, kernel, g = (4, 8, 6, 3), (3, 3, 1, 3), (4, 3, 2, 3)
    assert shapes == [[x, kernel], [x, kernel, g]] * 2
    (row,) = result["layers"]
    assert row["count"] == 2 * len(result["networks"])
    assert row["seconds"] == {
        "shifted": {"forward": 1.0, "gradients": 2.0},
        "grouped": {"forward": 3.0, "gradients": 4.0},
    }
    assert result["total"]["grouped"]["gradients"] == 4.0 * row["count"]
    assert "6x4x3 3x3/2" in depthwise.table(result)


def test_networks_without_such_a_layer_are_named():
    with pytest.raises(UserError, match=r"^resnet_tiny and resnet_tiny: no depthwise convolution"):
        depthwise.measure(tiny.config(), 5, 0.1)
