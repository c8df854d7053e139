import json

import flax.traverse_util
import numpy as np
import pytest

from jdnet_jax import models
from jdnet_jax.export import to_safetensors
from jdnet_jax.handoff import model_card


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
