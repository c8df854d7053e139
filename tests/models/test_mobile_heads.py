"""The heads alone, on feature maps: what they return, and their class activation maps against differentiation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jdnet_jax.models.block import BlockSettings
from jdnet_jax.models.layers import Classifier
from jdnet_jax.models.mobile_heads import ConvHead, HiddenHead
from tests.models import network_checks

LABELS = jnp.array([0, 2, 1])


class Alone(nn.Module):
    """A network of a head alone."""

    head: nn.Module
    dtype: type = jnp.float32
    num_classes = 3

    @nn.compact
    def __call__(self, x, *, train=False):
        settings = BlockSettings(epsilon=1e-3, dtype=self.dtype)
        return self.head(x, Classifier(self.num_classes, name="classifier"), settings, train=train)


def draw(head):
    maps = 2 * jax.random.normal(jax.random.key(0), (3, 4, 5, 6))
    module = Alone(head)
    return module, network_checks.jittered(jax.jit(module.init)(jax.random.key(1), maps)), maps


HIDDEN_HEADS = {
    "hard_swish": HiddenHead(7, "hard_swish", norm=False),
    "relu": HiddenHead(7, "relu", norm=False),
    "norm": HiddenHead(7, "relu", norm=True),
}


def grad_cam(module, variables, maps):
    """Grad-CAM of LABELS by automatic differentiation, the sum of the gradients over the points."""

    def score(maps):
        logits = module.apply(variables, maps).logits
        return jnp.sum(jnp.take_along_axis(logits, LABELS[:, None], 1))

    weights = jnp.sum(jax.grad(score)(maps), (1, 2))
    return nn.relu(jnp.einsum("bhwc,bc->bhw", maps, weights))


@pytest.mark.parametrize("head", HIDDEN_HEADS.values(), ids=HIDDEN_HEADS)
def test_the_map_is_grad_cam(head):
    module, variables, maps = draw(head)
    outputs = jax.jit(module.apply)(variables, maps)
    assert outputs.maps is None
    found = outputs.activation(LABELS)
    assert np.any(found > 0)
    np.testing.assert_allclose(
        found, jax.jit(lambda v, m: grad_cam(module, v, m))(variables, maps), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("head", HIDDEN_HEADS.values(), ids=HIDDEN_HEADS)
def test_the_gradient_of_the_map_is_that_of_grad_cam(head):
    module, variables, maps = draw(head)
    statistics = {"batch_stats": variables["batch_stats"]} if "batch_stats" in variables else {}
    weights = jax.random.normal(jax.random.key(2), maps.shape[:3])

    def closed(params, maps):
        return jnp.sum(weights * module.apply({"params": params, **statistics}, maps).activation(LABELS))

    def differentiated(params, maps):
        return jnp.sum(weights * grad_cam(module, {"params": params, **statistics}, maps))

    found, expected = (jax.jit(jax.grad(f, (0, 1)))(variables["params"], maps) for f in (closed, differentiated))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert np.any(found[0]["conv_head"]["kernel"] != 0)


@pytest.mark.parametrize("head", HIDDEN_HEADS.values(), ids=HIDDEN_HEADS)
def test_logits_follow_from_the_hidden_layer(head):
    module, variables, maps = draw(head)
    outputs = jax.jit(module.apply)(variables, maps)
    params = variables["params"]
    np.testing.assert_array_equal(outputs.hidden.kernel, params["conv_head"]["kernel"][0, 0])
    z = np.mean(maps, (1, 2)) @ np.asarray(outputs.hidden.kernel)
    if head.norm:
        norm, statistics = params["norm_head"], variables["batch_stats"]["norm_head"]
        z = (z - statistics["mean"]) / np.sqrt(statistics["var"] + 1e-3) * norm["scale"] + norm["bias"]
    else:
        z = z + params["conv_head"]["bias"]
    hidden = z * np.clip(z + 3, 0, 6) / 6 if head.activation == "hard_swish" else np.maximum(z, 0)
    logits = hidden @ params["classifier"]["kernel"] + params["classifier"]["bias"]
    np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-5)


def test_in_training_the_statistics_are_the_batchs_and_constant():
    module, variables, maps = draw(HIDDEN_HEADS["norm"])
    train = functools.partial(module.apply, train=True, mutable=["batch_stats"])
    outputs, updated = jax.jit(train)(variables, maps)
    assert np.any(updated["batch_stats"]["norm_head"]["mean"] != variables["batch_stats"]["norm_head"]["mean"])
    z = np.mean(maps, (1, 2)) @ np.asarray(outputs.hidden.kernel)
    norm = variables["params"]["norm_head"]
    factor = norm["scale"] / np.sqrt(np.var(z, 0) + 1e-3)
    is_open = (z - z.mean(0)) * factor + norm["bias"] > 0
    assert 0 < is_open.sum() < is_open.size
    np.testing.assert_allclose(outputs.hidden.slopes, factor * np.asarray(is_open, np.float32), rtol=1e-4, atol=1e-5)


def test_a_convolution_before_the_pooling():
    module, variables, maps = draw(ConvHead(5, "silu"))
    outputs = jax.jit(module.apply)(variables, maps)
    assert outputs.hidden is None
    assert outputs.maps.shape == (3, 4, 5, 5)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "classifier")


def test_what_is_behind_the_pooling_is_float32():
    module, variables, maps = draw(HIDDEN_HEADS["norm"])
    narrow = jax.jit(module.clone(dtype=jnp.bfloat16).apply)(variables, maps.astype(jnp.bfloat16))
    assert narrow.hidden.maps.dtype == jnp.bfloat16
    assert narrow.logits.dtype == narrow.hidden.slopes.dtype == narrow.hidden.kernel.dtype == jnp.float32
    exact = jax.jit(module.apply)(variables, maps.astype(jnp.bfloat16).astype(jnp.float32))
    np.testing.assert_allclose(narrow.logits, exact.logits, rtol=1e-5, atol=1e-5)
