import json
import os
import subprocess

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import create, load_pretrained, to_torch, torch_file
from jdnet_jax.process.errors import UserError
from tests.models import network_checks

PYTHON = os.environ.get("JDNET_PARITY_PYTHON", "")


@pytest.fixture(scope="module")
def variables():
    """Of resnet_tiny at width 2 with 5 classes, all random."""
    return network_checks.initialised(create("resnet_tiny", 5, width=2))[0]


def test_every_weight_comes_back_bit_for_bit(variables, tmp_path):
    to_torch(variables, tmp_path / "a.safetensors")
    found = load_pretrained("resnet_tiny", str(tmp_path / "a.safetensors"), 5, fresh_classifier=False, width=2)
    jax.tree.map(np.testing.assert_array_equal, found, dict(variables))


def test_names_layout_and_counters_are_those_of_pytorch(variables, tmp_path):
    to_torch(variables, tmp_path / "a.safetensors", metadata={"author": "Somebody"})
    tensors = torch_file.read_tensors(tmp_path / "a.safetensors")
    kernel = variables["params"]["layer2.0"]["conv1"]["kernel"]
    assert tensors["layer2.0.conv1.weight"][3, 1, 2, 0] == kernel[2, 0, 1, 3]
    np.testing.assert_array_equal(tensors["fc.weight"], variables["params"]["fc"]["kernel"].T)
    np.testing.assert_array_equal(tensors["bn1.running_var"], variables["batch_stats"]["bn1"]["var"])
    # 1 stem and 3 blocks of 3 convolutions, each with a BatchNorm.
    counters = [name for name in tensors if name.endswith("num_batches_tracked")]
    assert len(counters) == 10
    assert (tensors["bn1.num_batches_tracked"].dtype, tensors["bn1.num_batches_tracked"].shape) == (np.int64, ())
    assert all(value.dtype == np.float32 for name, value in tensors.items() if name not in counters)
    content = (tmp_path / "a.safetensors").read_bytes()
    about = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    assert about == {"format": "pt", "author": "Somebody"}


def test_what_comes_back_otherwise_leaves_what_was_there(variables, tmp_path, monkeypatch):
    def with_one_bit_changed(path):
        tensors = dict(read(path))
        tensors["fc.bias"] = np.nextafter(tensors["fc.bias"], np.float32(np.inf))
        return tensors

    read = torch_file.read_tensors
    monkeypatch.setattr(torch_file, "read_tensors", with_one_bit_changed)
    (tmp_path / "a.safetensors").write_text("before")
    with pytest.raises(UserError, match=r"a.safetensors was not written correctly"):
        to_torch(variables, tmp_path / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert (tmp_path / "a.safetensors").read_text() == "before"


def test_places_where_no_file_can_be_written(variables, tmp_path):
    with pytest.raises(UserError, match=r"a\.pth must end in \.safetensors"):
        to_torch(variables, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.safetensors cannot be written \(No such file or directory\)"):
        to_torch(variables, tmp_path / "absent" / "a.safetensors")


#: Runs under torch: timm's model with the file's weights, and its logits of the images.
TIMM = """
import sys, numpy, safetensors.torch, timm, torch
name, weights, images, logits = sys.argv[1:]
model = timm.create_model(name, num_classes=7).eval()
state = safetensors.torch.load_file(weights)
assert state.keys() == model.state_dict().keys(), state.keys() ^ model.state_dict().keys()
assert all(tensor.dtype == model.state_dict()[key].dtype for key, tensor in state.items())
model.load_state_dict(state, strict=True)
with torch.no_grad():
    numpy.save(logits, model(torch.from_numpy(numpy.load(images))).numpy())
"""


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has torch and timm")
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_050", "tf_efficientnet_lite0"])
def test_timm_loads_it_strictly_and_computes_the_same(name, tmp_path):
    module = create(name, 7)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    rng = np.random.default_rng(0)
    variables = flax.traverse_util.path_aware_map(lambda path, leaf: _drawn(rng, path[-1], leaf.shape), shapes)
    images = rng.normal(size=(2, 64, 64, 3)).astype(np.float32)
    to_torch(variables, tmp_path / "student.safetensors")
    np.save(tmp_path / "images.npy", images.transpose(0, 3, 1, 2))
    files = [tmp_path / file for file in ("student.safetensors", "images.npy", "logits.npy")]
    done = subprocess.run([PYTHON, "-c", TIMM, name, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = np.asarray(jax.jit(module.apply)(variables, images).logits)
    np.testing.assert_allclose(np.load(files[-1]), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def _drawn(rng, leaf, shape):
    """Values that neither die nor explode on the way to the logits."""
    match leaf:
        case "kernel":
            value = rng.normal(size=shape) * (2 / np.prod(shape[:-1])) ** 0.5
        case "scale" | "var":
            value = rng.uniform(0.5, 1.5, shape)
        case _:
            value = rng.uniform(-0.3, 0.3, shape)
    return value.astype(np.float32)
