"""Networks compared with their originals; shared by test_parity.py and parity_table.py.

The originals need another Python with torch, torchvision and timm, which this project never imports: its path is in
the environment variable JDNET_PARITY_PYTHON, and the extra `parity` lists what to install there.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
from pathlib import Path

import jax
import numpy as np

from jdnet_jax.models import create, load_pretrained, pretrained

PYTHON = os.environ.get("JDNET_PARITY_PYTHON", "")


class Originals:
    """One process that has torch, and makes the reference of a case when it is asked for."""

    def __init__(self, folder):
        script = Path(__file__).with_name("parity_reference.py")
        self._folder = folder
        self._errors = folder / "stderr"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def close(self):
        """Ends the process."""
        self._process.communicate()

    @contextlib.contextmanager
    def of(self, case):
        """The weights file and the reference of a case; both are gone afterwards, for together they would be large."""
        reference = self._folder / f"{case}.npz"
        weights = self._folder / f"{case}.{case.suffix}"
        if case.library == "lite_package":
            weights = pretrained.find_weights(case.name, "imagenet")
        request = {**dataclasses.asdict(case), "weights": weights, "reference": reference}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request, default=str), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer.strip() == str(reference), self._errors.read_text()
        try:
            yield weights, reference
        finally:
            reference.unlink()
            if weights.parent == self._folder:
                weights.unlink()


def relative_errors(case, originals):
    """The largest difference of the logits and of each stage, relative to its largest value; shapes must be equal."""
    with originals.of(case) as (weights, reference_file):
        source = "imagenet" if case.library == "lite_package" else str(weights)
        variables = load_pretrained(case.name, source, 1000, image_size=case.image_size)
        with np.load(reference_file) as reference:
            arrays = dict(reference)
    module = create(case.name, 1000)
    outputs = jax.jit(module.apply)(variables, arrays.pop("images"))
    names = ["logits", *(stage.name for stage in module.stages)]
    actual = dict(zip(names, (outputs.logits, *outputs.stages), strict=True))
    originals_keys = ["logits", *(f"stage{i}" for i in range(len(module.stages)))]
    assert arrays.keys() == set(originals_keys)
    expected = {name: arrays[key] for name, key in zip(names, originals_keys, strict=True)}
    for name, value in expected.items():
        assert actual[name].shape == value.shape
        assert np.abs(value[0] - value[1]).max() > 0.01 * np.abs(value).max()  # it depends on the image
    for stage in module.stages:
        assert actual[stage.name].shape[-1] == stage.channels
    return {name: _relative_error(actual[name], value) for name, value in expected.items()}


def _relative_error(actual, expected):
    return float(np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max())
