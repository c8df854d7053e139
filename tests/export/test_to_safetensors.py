import json
import os
import subprocess

import flax.traverse_util
import jax
import numpy as np
import pytest

from jdnet_jax import models
from jdnet_jax.errors import UserError
from jdnet_jax.export import to_safetensors
from jdnet_jax.inference import model_card
from jdnet_jax.models import torch_file

PYTHON = os.environ.get("JDNET_PARITY_PYTHON", "")


@pytest.fixture
def file(mobilenet, tmp_path):
    path = tmp_path / "student.safetensors"
    to_safetensors.write(path, mobilenet.variables, mobilenet.card, "Somebody", "CC0")
    return path


def test_every_weight_comes_back_bit_for_bit(mobilenet, file):
    found = flax.traverse_util.flatten_dict(
        models.load_pretrained("mobilenetv2_035", str(file), 7, fresh_classifier=False)
    )
    expected = flax.traverse_util.flatten_dict(mobilenet.variables)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_array_equal(found[path], value)


def test_the_file_says_what_it_is(mobilenet, file):
    length = int.from_bytes(file.read_bytes()[:8], "little")
    about = json.loads(file.read_bytes()[8 : 8 + length])["__metadata__"]
    assert (about["format"], about["author"], about["license"]) == ("pt", "Somebody", "CC0")
    assert model_card.parse(about["model.json"]) == mobilenet.card


def test_what_comes_back_otherwise_is_no_export(mobilenet, tmp_path, monkeypatch):
    def with_one_bit_changed(path):
        tensors = dict(read(path))
        tensors["classifier.bias"] = np.nextafter(tensors["classifier.bias"], np.float32(np.inf))
        return tensors

    read = torch_file.read_tensors
    monkeypatch.setattr(torch_file, "read_tensors", with_one_bit_changed)
    with pytest.raises(UserError, match=r"student.safetensors was not written as it should be"):
        to_safetensors.write(tmp_path / "student.safetensors", mobilenet.variables, mobilenet.card, "", "")


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has torch and timm")
def test_timm_loads_it_strictly_and_computes_the_same(mobilenet, file, tmp_path):
    card = mobilenet.card
    images = (mobilenet.images.astype(np.float32) - np.float32(card.mean)) / np.float32(card.std)
    np.save(tmp_path / "images.npy", images.transpose(0, 3, 1, 2))
    code = (
        "import sys, numpy, timm, torch\n"
        "weights, images, logits = sys.argv[1:]\n"
        "model = timm.create_model('mobilenetv2_035', num_classes=7, checkpoint_path=weights).eval()\n"
        "with torch.no_grad(): numpy.save(logits, model(torch.from_numpy(numpy.load(images))).numpy())\n"
    )
    logits = tmp_path / "logits.npy"
    command = [PYTHON, "-c", code, file, tmp_path / "images.npy", logits]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = jax.jit(mobilenet.function.network.module.apply)(mobilenet.variables, images).logits
    np.testing.assert_allclose(np.load(logits), expected, rtol=1e-3, atol=1e-4)
