import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import create
from jdnet_jax.models.outputs import HiddenLayer, Outputs
from jdnet_jax.models.registry import create_backbone
from jdnet_jax.models.rvernet import seen_through
from jdnet_jax.process.errors import UserError
from tests.models import network_checks

CNN, TOKENS = "resnet_tiny", "deit_tiny_distilled_test"


def module(**options):
    sizes = {"roi": CNN, "context": TOKENS, "roi_options": {"width": 4}, "hidden": 7}
    return create("rvernet", 5, **{**sizes, **options})


@functools.cache
def made():
    network = module()
    return initialised(network)


def initialised(network, size=32):
    images = jax.random.normal(jax.random.key(1), (2, size, size, 6))
    variables = network_checks.jittered(jax.jit(network.init)(jax.random.key(0), images))
    return network, variables, images


def test_the_integration_of_logits_has_the_size_of_the_release():
    """2000 -> 640 -> 105: 2000 * 640 + 640 + 640 * 105 + 105 = 1,347,945."""
    network = create("rvernet", 105, roi="mobilenetv2_100", context="deit_tiny_patch16_224", integration="logits")
    variables = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 224, 224, 6)))
    own = [variables["params"][name] for name in ("integration", "head")]
    assert sum(leaf.size for leaf in jax.tree.leaves(own)) == 1_347_945
    assert variables["params"]["integration"]["kernel"].shape == (2000, 640)


def test_features_and_logits_of_the_integration():
    """Every branch sees its own three channels, and the rest is Dense, ReLU, Dense on what they return."""
    network, variables, images = made()
    outputs = jax.jit(network.apply)(variables, images)
    parts = []
    for name, branch, own in (("roi", create_backbone, CNN), ("context", create_backbone, TOKENS)):
        options = {"width": 4} if own == CNN else {}
        backbone = branch(own, dtype=jnp.float32, axis_name=None, data_axis=None, **options)
        branch_variables = {group: variables[group].get(name, {}) for group in variables}
        view = images[..., :3] if name == "roi" else images[..., 3:]
        parts.append(np.asarray(jax.jit(backbone.apply)(branch_variables, view).logits))
    assert [part.shape for part in parts] == [(2, 16), (2, 32)]
    p = variables["params"]
    hidden = np.maximum(np.concatenate(parts, -1) @ p["integration"]["kernel"] + p["integration"]["bias"], 0)
    np.testing.assert_allclose(outputs.logits, hidden @ p["head"]["kernel"] + p["head"]["bias"], rtol=2e-4, atol=2e-4)


def test_stages_are_those_of_both_branches():
    network, variables, images = made()
    outputs = jax.eval_shape(network.apply, variables, images)
    assert [stage.name for stage in network.stages[:3]] == ["roi.layer1", "roi.layer2", "roi.layer3"]
    assert network.stages[3].name.startswith("context.blocks.")
    for stage, tap in zip(network.stages, outputs.stages, strict=True):
        assert tap.shape[1:] == (32 // stage.stride, 32 // stage.stride, stage.channels)


def test_each_branch_is_normalised_as_it_was_made_to_be():
    spec = create("rvernet", 5, roi="vit_base_patch16_224", context="resnet50").input_spec
    assert spec.mean == (127.5,) * 3 + (123.675, 116.28, 103.53)
    assert spec.std == (127.5,) * 3 + (58.395, 57.12, 57.375)
    assert spec.channels == 6


@pytest.mark.parametrize("classifier", [False, True])
@pytest.mark.parametrize("hidden_layer", [False, True])
def test_the_activation_map_is_the_gradient_through_all_layers(hidden_layer, classifier):
    """ReLU of the maps weighted with the gradient of the label's logit with respect to their mean, by autodiff."""
    rng = np.random.default_rng(0)
    maps, inner, own, first, head = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 3, 3, 4), (4, 6), (6, 8), (8, 5), (5, 3))
    )
    if not hidden_layer:
        own = own[:4]
    if not classifier:
        first = first[: own.shape[0]]
    means = maps.mean((1, 2))

    def before_integration(means):
        features = jax.nn.relu(means @ inner) if hidden_layer else means
        return (features @ own if classifier else features) @ first

    def logit(means, label):
        return (jax.nn.relu(before_integration(means)) @ head)[label]

    labels = jnp.array([2, 0])
    weights = jax.jit(jax.vmap(jax.grad(logit)))(means, labels)
    slopes = (before_integration(means) > 0).astype(jnp.float32)
    layer = HiddenLayer(maps, inner, (means @ inner > 0).astype(jnp.float32)) if hidden_layer else None
    branch = Outputs(
        logits=jnp.zeros((2, 8)),
        stages=(),
        maps=None if hidden_layer else maps,
        kernel=own if classifier else None,
        hidden=layer,
    )
    found = seen_through(first, slopes, branch, jnp.zeros((2, 3)), head)
    expected = np.maximum(np.einsum("bhwc,bc->bhw", maps, weights), 0)
    np.testing.assert_allclose(found.activation(labels), expected, rtol=1e-4, atol=1e-5)


def test_each_branch_has_the_map_of_its_own_rows():
    network, variables, images = initialised(module(context=CNN, context_options={"width": 2}))
    outputs = jax.jit(network.apply)(variables, images)
    kernel, head = variables["params"]["integration"]["kernel"], variables["params"]["head"]["kernel"]
    for branch, rows in ((outputs, kernel[:16]), (outputs.context, kernel[16:])):
        np.testing.assert_array_equal(branch.hidden.kernel, rows)
        weights = (head.T[jnp.array([3, 1])] * outputs.hidden.slopes) @ rows.T
        expected = np.maximum(np.einsum("bhwc,bc->bhw", branch.hidden.maps, weights), 0)
        np.testing.assert_allclose(branch.activation(jnp.array([3, 1])), expected, rtol=1e-3, atol=1e-4)
        assert np.any(expected > 0)


def test_a_branch_read_through_tokens_gives_their_attention():
    network, variables, images = made()
    outputs = jax.jit(network.apply)(variables, images)
    found = outputs.context.activation(jnp.array([0, 1]))
    assert found.shape == (2, 8, 8)
    np.testing.assert_array_equal(found, outputs.context.activation(jnp.array([4, 4])))


@pytest.mark.parametrize("branch", ["roi", "context"])
def test_a_branch_alone_sees_nothing_of_the_other(branch):
    network, variables, images = initialised(module(branches=branch))
    assert set(variables["params"]) == {branch, "integration", "head"}
    gradient = jax.jit(jax.grad(lambda x: network.apply(variables, x).logits.sum()))(images)
    own, other = (gradient[..., :3], gradient[..., 3:]) if branch == "roi" else (gradient[..., 3:], gradient[..., :3])
    assert np.any(own != 0)
    assert np.all(other == 0)
    assert jax.eval_shape(network.apply, variables, images).context is None


def test_no_weights_are_shared():
    """Two branches of one model have their own parameters, drawn apart."""
    network = module(context=CNN, context_options={"width": 4})
    _, variables, _ = initialised(network)
    roi, context = (flax.traverse_util.flatten_dict(variables["params"][name]) for name in ("roi", "context"))
    assert roi.keys() == context.keys()
    assert all(np.any(roi[path] != context[path]) for path in roi if path[-1] == "kernel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roi": "resnet5"}, "unknown model 'resnet5'"),
        ({"roi": "rvernet"}, "its branch roi cannot be another rvernet"),
        ({"integration": "sum"}, "integration must be 'features' or 'logits', not 'sum'"),
        ({"branches": "none"}, "branches must be 'both' or 'roi' or 'context'"),
        ({"hidden": 0}, "hidden must be a positive integer, not 0"),
        ({"roi_options": {"depth": 3}}, "model 'resnet_tiny' has no option 'depth'"),
    ],
)
def test_a_mistake_in_an_option(options, message):
    with pytest.raises(UserError, match=message):
        module(**options)


def test_images_of_three_channels_are_refused():
    with pytest.raises(UserError, match=r"set config.dataset.view='roi\+context'"):
        jax.eval_shape(module().init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
