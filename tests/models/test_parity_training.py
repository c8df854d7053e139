"""One training step of two networks against timm's: logits, gradients of every parameter, running statistics.

PyTorch's BatchNorm normalises with the biased variance of a batch, as ours does, but puts the unbiased one into the
running variance, which is n / (n - 1) times as large for n values. So with momentum m of the old value

    ours - m * old == (theirs - m * old) * (n - 1) / n

Where an input of ReLU or ReLU6 is within rounding of a corner, its gradient is passed or not by chance: PyTorch's
float32 gradients of MobileNetV2 are up to a fiftieth from its own in float64. So ours are compared with the latter.
"""

import subprocess
from pathlib import Path

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jdnet_jax.models import create, load_pretrained, torch_layout
from tests.models import parity_comparison

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not parity_comparison.PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has timm"),
]

TOLERANCE = 1e-3  # of the largest value
#: How much further from the exact gradients ours may be than PyTorch's own in float32, where that is above TOLERANCE.
SHARE = 5
MOMENTUM = 0.9


@pytest.fixture(scope="module", params=["resnet18", "mobilenetv2_050"])
def step(request, tmp_path_factory):
    """The reference, and what one step of ours gives: logits, gradients and old and new statistics by torch's names."""
    folder = tmp_path_factory.mktemp("training")
    weights, reference = folder / "weights.safetensors", folder / "reference.npz"
    script = Path(__file__).with_name("parity_training_reference.py")
    command = [parity_comparison.PYTHON, script, request.param, weights, reference]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(reference) as file:
        theirs = dict(file)
    module = create(request.param, 10)
    variables = load_pretrained(request.param, str(weights), 10, fresh_classifier=False)

    @jax.jit
    def run(variables, images, labels):
        def loss(params):
            outputs, updated = module.apply({**variables, "params": params}, images, train=True, mutable="batch_stats")
            losses = optax.softmax_cross_entropy_with_integer_labels(outputs.logits, labels)
            return jnp.mean(losses), (outputs.logits, updated)

        return jax.grad(loss, has_aux=True)(variables["params"])

    gradients, (logits, updated) = run(variables, theirs["images"], theirs["labels"])
    old = _named({"batch_stats": variables["batch_stats"]})
    return theirs, logits, _named({"params": gradients}), old, _named(updated)


def _named(variables):
    flat = flax.traverse_util.flatten_dict(variables)
    return {torch_layout.torch_name(path): torch_layout.to_torch(np.asarray(leaf)) for path, leaf in flat.items()}


def _of(theirs, kind):
    return {name.removeprefix(kind): value for name, value in theirs.items() if name.startswith(kind)}


def test_logits(step):
    theirs, logits, *_ = step
    error = np.abs(np.asarray(logits) - theirs["logits"]).max() / np.abs(theirs["logits"]).max()
    print(f"logits {error:.1e}")
    assert error < 1e-4


def test_gradients_of_every_parameter(step):
    theirs, _, ours, *_ = step
    exact = _of(theirs, "exact/")
    assert ours.keys() == exact.keys()
    # A bias that only another BatchNorm sees has no gradient but rounding's, which has nothing to be relative to.
    floor = 1e-4 * max(np.linalg.norm(value) for value in exact.values())

    def errors(gradients):
        norms = {name: max(np.linalg.norm(value), floor) for name, value in exact.items()}
        return {name: np.linalg.norm(gradients[name] - value) / norms[name] for name, value in exact.items()}

    found, torchs = errors(ours), errors(_of(theirs, "gradient/"))
    print(f"gradients {max(found.values()):.1e} ({max(found, key=found.get)}), PyTorch's {max(torchs.values()):.1e}")
    assert max(found.values()) < max(TOLERANCE, SHARE * max(torchs.values())), found


def test_running_means_are_theirs(step):
    theirs, *_, updated = step
    means = {name: value for name, value in _of(theirs, "updated/").items() if name.endswith("running_mean")}
    assert means
    for name, value in means.items():
        np.testing.assert_allclose(updated[name], value, rtol=0, atol=TOLERANCE * np.abs(value).max(), err_msg=name)


def test_running_variances_are_theirs_less_the_correction_of_bias(step):
    theirs, *_, old, updated = step
    variances = {name: value for name, value in _of(theirs, "updated/").items() if name.endswith("running_var")}
    assert variances
    for name, value in variances.items():
        n = theirs[f"count/{name.removesuffix('.running_var')}"]
        kept = MOMENTUM * old[name]
        expected = kept + (value - kept) * (n - 1) / n
        np.testing.assert_allclose(updated[name], expected, rtol=TOLERANCE / 10, err_msg=name)
        if n < 100:  # where the correction is far above the tolerance, leaving it out would be seen
            assert np.abs(updated[name] - value).max() > TOLERANCE * np.abs(value).max()
