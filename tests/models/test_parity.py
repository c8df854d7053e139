"""Networks against timm's and torchvision's, weights and BatchNorm statistics drawn at random there and loaded here.

Needs another Python with torch, torchvision and timm, which this project never imports: its path is in the environment
variable JDNET_PARITY_PYTHON.
"""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from jdnet_jax.models import create, load_pretrained, pretrained

PYTHON = os.environ.get("JDNET_PARITY_PYTHON", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has torch, torchvision and timm"),
]


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, whose implementation it is compared with (and the name there), and the format of the file between."""

    name: str
    library: str
    model: str
    suffix: str

    def __str__(self):
        return f"{self.name}-{self.library}-{self.suffix}"


TIMM = {
    "resnet18": "legacy.pth",
    "resnet34": "pth",
    "resnet50": "safetensors",
    "resnet101": "pth",
    "resnet152": "safetensors",
    "resnext50_32x4d": "pth",
    "resnext101_32x8d": "pth",
    "seresnext50_32x4d": "safetensors",
    "regnety_160": "pth",
    "densenet121": "legacy.pth",
    "densenet161": "safetensors",
    "densenet169": "pth",
    "densenet201": "pth",
    "mobilenetv2_035": "pth",
    "mobilenetv2_050": "safetensors",
    "mobilenetv2_075": "pth",
    "mobilenetv2_100": "legacy.pth",
    "mobilenetv2_110d": "safetensors",
    "mobilenetv2_120d": "pth",
    "mobilenetv2_140": "pth",
    "tf_efficientnet_lite0": "legacy.pth",
    "tf_efficientnet_lite1": "pth",
    "tf_efficientnet_lite2": "safetensors",
}
CASES = [
    *(Case(name, "timm", name, suffix) for name, suffix in TIMM.items()),
    Case("resnet18", "torchvision", "resnet18", "pth"),
    Case("resnext50_32x4d", "torchvision", "resnext50_32x4d", "safetensors"),
    Case("regnety_160", "torchvision", "regnet_y_16gf", "safetensors"),
    *(Case(f"densenet{depth}", "torchvision", f"densenet{depth}", "dotted.pth") for depth in (121, 161)),
    Case("mobilenetv2_100", "torchvision", "mobilenet_v2", "legacy.pth"),
    *(Case(f"tf_efficientnet_lite{i}", "lite_package", f"tf_efficientnet_lite{i}", "pth") for i in range(3)),
]


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """For each case the weights file and the reference that parity_reference.py made."""
    folder = tmp_path_factory.mktemp("parity")
    files = {}
    for case in CASES:
        weights = folder / f"{case}.{case.suffix}"
        if case.library == "lite_package":
            weights = pretrained.find_weights(case.name, "imagenet")
        files[case] = (weights, folder / f"{case}.npz")
    request = [
        {"library": case.library, "model": case.model, "weights": str(weights), "reference": str(reference)}
        for case, (weights, reference) in files.items()
    ]
    (folder / "cases.json").write_text(json.dumps(request))
    script = Path(__file__).with_name("parity_reference.py")
    result = subprocess.run([PYTHON, script, folder / "cases.json"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return files


@pytest.mark.parametrize("case", CASES, ids=str)
def test_logits_and_stages_equal_the_originals(case, references):
    weights, reference_file = references[case]
    source = "imagenet" if case.library == "lite_package" else str(weights)
    variables = load_pretrained(case.name, source, 1000)
    with np.load(reference_file) as reference:
        module = create(case.name, 1000)
        outputs = jax.jit(module.apply)(variables, reference["images"])
        expected = {"logits": reference["logits"]}
        expected |= {stage.name: reference[f"stage{i}"] for i, stage in enumerate(module.stages)}
        assert f"stage{len(module.stages)}" not in reference
    actual = {"logits": outputs.logits} | dict(
        zip([stage.name for stage in module.stages], outputs.stages, strict=True)
    )
    for name, value in expected.items():
        assert actual[name].shape == value.shape
        assert np.abs(value[0] - value[1]).max() > 0.01 * np.abs(value).max()  # it depends on the image
    for stage in module.stages:
        assert actual[stage.name].shape[-1] == stage.channels
    errors = {name: _relative_error(actual[name], value) for name, value in expected.items()}
    print(case, *(f"{name} {error:.1e}" for name, error in errors.items()), sep=", ")  # pytest -rP shows the table
    if case.library != "lite_package":
        weights.unlink()  # some hundreds of megabytes together
    assert max(errors.values()) < 1e-4, errors


def _relative_error(actual, expected):
    """Largest difference, relative to the largest value."""
    return np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()
