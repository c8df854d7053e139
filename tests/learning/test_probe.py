"""The probe's fit against what is known of its minimum, and its place in a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from jdnet_jax.learning import initial_weights, networks, probe
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny


def clouds(seed, n, spread=0.3, features=6, classes=3):
    """Points around a centre a class: float32 [n, features], labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(7).normal(0, 1, (classes, features))
    return (centres[labels] + rng.normal(0, spread, (n, features))).astype(np.float32), labels


@given(st.integers(0, 99), st.sampled_from(probe.STRENGTHS))
def test_the_gradient_is_that_of_the_objective(seed, strength):
    features, labels = clouds(seed, 9)
    arguments = (features.astype(np.float64), labels, 3, strength)
    weights = np.random.default_rng(seed).normal(0, 1, 6 * 3 + 3)
    numeric = optimize.approx_fprime(weights, lambda w: probe._objective(w, *arguments)[0], 1e-6)
    np.testing.assert_allclose(probe._objective(weights, *arguments)[1], numeric, rtol=1e-3, atol=1e-4)


def test_without_features_that_tell_anything_the_shares_of_the_classes_are_left():
    labels = np.array([0, 0, 0, 1])
    features = np.zeros((4, 2), np.float32)
    found = probe.fit(features, labels, features, labels, 2)
    np.testing.assert_array_equal(found.kernel, np.zeros((2, 2)))
    assert special.softmax(found.bias) == pytest.approx([0.75, 0.25], abs=1e-4)
    assert found.loss == pytest.approx(-(3 * np.log(0.75) + np.log(0.25)) / 4, abs=1e-6)
    assert (found.train_top1, found.val_top1) == (0.75, 0.75)


def test_the_strength_is_that_which_is_best_on_val():
    features, labels = clouds(0, 60)
    easy = probe.fit(features, labels, *clouds(1, 60), 3)
    assert easy.val_top1 > 0.95
    # Where val contradicts train, the weakest trust in train is the best.
    contradicted = probe.fit(features, labels, features, (labels + 1) % 3, 3)
    assert contradicted.strength == max(probe.STRENGTHS) > easy.strength


@pytest.mark.parametrize(("scale", "place"), [(0.01, 5.0), (100.0, -5.0)])
def test_scale_and_place_of_the_features_change_no_answer(scale, place):
    features, labels = clouds(0, 30)
    val, val_labels = clouds(1, 30)
    one = probe.fit(features, labels, val, val_labels, 3)
    other = probe.fit(features * scale + place, labels, val * scale + place, val_labels, 3)
    scores = val @ one.kernel + one.bias
    moved = (val * scale + place) @ other.kernel + other.bias
    np.testing.assert_allclose(special.softmax(moved, 1), special.softmax(scores, 1), atol=0.02)


def test_the_network_answers_what_the_probe_does():
    network = networks.build(tiny.config(), tiny.CLASSES)["student"]
    variables = initial_weights.initialize(network, 0, tiny.CLASSES)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (4, tiny.SIZE, tiny.SIZE, 3)).astype(np.float32)
    features = jax.jit(probe.backbone(network).module.apply)(variables, images).logits
    shape = (features.shape[-1], tiny.CLASSES)
    fitted = probe.Probe(rng.normal(size=shape).astype(np.float32), np.arange(5, dtype=np.float32), 1.0, 0, 0, 0, 0)
    params = probe.with_classifier(network, variables["params"], fitted)
    logits = jax.jit(network.module.apply)({**variables, "params": params}, images).logits
    np.testing.assert_allclose(logits, features @ fitted.kernel + fitted.bias, rtol=1e-5, atol=1e-5)
    unchanged = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), params, dict(variables["params"]))
    assert sum(not same for same in jax.tree.leaves(unchanged)) == 2


def test_a_student_of_two_heads_is_refused():
    config = tiny.config()
    config.student = {"model": "deit_tiny_distilled_patch16_224", "init": "random", "options": {}}
    network = networks.build(config, tiny.CLASSES)["student"]
    with pytest.raises(UserError, match="a probe needs a student whose classifier is one linear layer, and deit_tiny"):
        probe.classifier_of(network)
