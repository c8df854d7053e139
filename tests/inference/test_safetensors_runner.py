import flax.traverse_util
import numpy as np
import pytest
import safetensors.numpy

from jdnet_jax import handoff
from jdnet_jax.inference import flax_runner, safetensors_runner
from jdnet_jax.process.errors import UserError
from tests import tiny_student

TORCH = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
AXES = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


@pytest.fixture
def weights(student, tmp_path):
    """The tiny student's weights as PyTorch names and lays them out."""
    tensors = {}
    for path, leaf in flax.traverse_util.flatten_dict(handoff.load(student)[0]).items():
        name = ".".join((*path[1:-1], TORCH.get(path[-1], path[-1])))
        tensors[name] = np.ascontiguousarray(leaf.transpose(AXES[leaf.ndim]))
    safetensors.numpy.save_file(tensors, tmp_path / "student.safetensors")
    return tmp_path / "student.safetensors"


def test_it_predicts_as_the_hand_off_does(student, weights):
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    found = safetensors_runner.load(weights, tiny_student.card()).run(images)
    expected = flax_runner.load(student).run(images)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.activation, expected.activation)


def test_weights_for_other_classes_are_refused(weights):
    with pytest.raises(UserError, match="was trained on 7 classes, not on 2"):
        safetensors_runner.load(weights, tiny_student.card(classes=("a", "b")))
