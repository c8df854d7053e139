import types

import pytest

from jdnet_jax.benchmark import made_up, steps
from tests import tiny_recipe as tiny


@pytest.fixture
def counted(monkeypatch):
    """Networks of 1, 10 and 100 multiply-adds, by their names."""
    counts = {"student": 1, "a": 10, "b": 100}
    monkeypatch.setattr(steps, "multiply_adds", lambda module, size: counts[module])

    def parts(selection, *trained):
        networks = {
            name: types.SimpleNamespace(module=name, image_size=8, trainable=name in trained) for name in counts
        }
        return types.SimpleNamespace(
            networks=networks, evaluated=networks, config=types.SimpleNamespace(teacher_selection=selection)
        )

    return parts


def test_flops_by_hand(counted):
    assert steps.flops(counted("all", "student", "a", "b"), trained=True) == 2 * 3 * 111
    assert steps.flops(counted("all", "student"), trained=True) == 2 * (3 + 110)
    assert steps.flops(counted("mean", "student"), trained=True) == 2 * (3 + 110)
    # One of the frozen teachers is computed in a step; all of them are evaluated.
    assert steps.flops(counted("random", "student"), trained=True) == 2 * (3 + 55)
    assert steps.flops(counted("random", "student"), trained=False) == 2 * 111


def test_what_is_measured_needs_no_weights():
    config = tiny.config()
    config.student.init = "a file that is not there.safetensors"
    parts = made_up.build(config, 5)
    assert parts.config.student.init == "random"
    assert config.student.init == "a file that is not there.safetensors"
