"""TFLite files in what Android applications read them with.

JDNET_TASKS_PYTHON names a Python with tflite-support 0.4.4 and mediapipe: python3.11 -m venv ENVIRONMENT and
ENVIRONMENT/bin/pip install tflite-support==0.4.4 mediapipe.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="the extra [export] is not installed")

from jdnet_jax.export import tflite_file, to_tflite

PYTHON = os.environ.get("JDNET_TASKS_PYTHON", "")
SCRIPT = Path(__file__).with_name("android_tools.py")


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Runs a file on one image; skips where the packages are not there."""
    if not PYTHON:
        pytest.skip("JDNET_TASKS_PYTHON names no Python that has tflite-support and mediapipe")
    imports = [PYTHON, "-c", "import mediapipe, tflite_support"]
    if subprocess.run(imports, capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} (JDNET_TASKS_PYTHON) cannot import tflite_support and mediapipe")
    folder = tmp_path_factory.mktemp("tools")

    def run(student, quantize, outputs):
        card = student.card_of(file_format="tflite", dtype=quantize)
        converted = to_tflite.convert(student.function, quantize, student.images, outputs)
        (folder / "student.tflite").write_bytes(tflite_file.finish(converted, card, "", "", outputs))
        np.save(folder / "image.npy", student.images[0])
        command = [PYTHON, SCRIPT, folder / "student.tflite", folder / "image.npy"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize(("quantize", "tolerance"), [("none", 1e-4), ("int8", 0.05)])
def test_a_file_of_probabilities_is_a_classifier_with_the_classes_names(tools, resnet, quantize, tolerance):
    found = tools(resnet, quantize, ["probabilities"])
    expected = resnet.runner.run(resnet.images[:1]).probabilities[0]
    for tool in ("task library", "mediapipe"):
        (head,) = found[tool]
        assert sorted(head) == sorted(resnet.card.classes)
        np.testing.assert_allclose([head[name] for name in resnet.card.classes], expected, atol=tolerance)


def test_the_activation_map_makes_it_no_file_for_them(tools, resnet):
    found = tools(resnet, "none", ["probabilities", "activation"])
    assert "output index 1" in found["task library"]  # its complaint
    assert len(found["mediapipe"]) == 2  # the map as a second classifier
