"""Weights of RveRNet's branches, loaded from files and hand-offs of their own networks."""

import flax.traverse_util
import jax
import numpy as np
import pytest

from jdnet_jax import models, networks
from jdnet_jax.errors import UserError
from tests import tiny_recipe as tiny

OPTIONS = {"roi": "resnet_tiny", "context": "deit_tiny_distilled_test", "roi_options": {"width": 4}, "hidden": 8}


def weights(path, name, classes, **options):
    """A file of a network's weights under timm's names, and the variables in it."""
    module = models.create(name, classes, **options)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    models.to_torch({"batch_stats": {}, **variables}, str(path))
    return variables


def network(init, **options):
    config = tiny.config(dataset__view="roi+context")
    config.student = {"model": "rvernet", "init": init, "options": {**OPTIONS, **options}}
    return networks.build(config, tiny.CLASSES)["student"]


def flat(tree):
    return flax.traverse_util.flatten_dict(tree)


def test_each_branch_has_its_own_source(tmp_path):
    """Both branches are loaded whole but for the classifiers, which they have not; the rest is that of the seed."""
    roi = weights(tmp_path / "roi.safetensors", "resnet_tiny", 1000, width=4)
    context = weights(tmp_path / "context.safetensors", "deit_tiny_distilled_test", 1000)
    init = {"roi": str(tmp_path / "roi.safetensors"), "context": str(tmp_path / "context.safetensors")}
    network_ = network(init)
    networks.check_weights({"student": network_})
    loaded = networks.initialize(network_, 0, tiny.CLASSES)
    fresh = networks.initialize(network("random"), 0, tiny.CLASSES)
    assert jax.tree.structure(loaded) == jax.tree.structure(fresh)
    for branch, variables in (("roi", roi), ("context", context)):
        for group in ("params", "batch_stats"):
            found, theirs = flat(loaded[group].get(branch, {})), flat(variables.get(group, {}))
            for path, leaf in found.items():
                np.testing.assert_array_equal(leaf, theirs[path])
            assert {path[0] for path in theirs.keys() - found.keys()} <= {"fc", "head", "head_dist"}
    assert ("dist_token",) in flat(loaded["params"]["context"])
    for name in ("integration", "head"):
        jax.tree.map(np.testing.assert_array_equal, loaded["params"][name], fresh["params"][name])


def test_the_integration_of_logits_takes_the_classifiers_too(tmp_path):
    context = weights(tmp_path / "context.safetensors", "deit_tiny_distilled_test", 1000)
    init = {"context": str(tmp_path / "context.safetensors")}
    loaded = networks.initialize(network(init, integration="logits"), 0, tiny.CLASSES)
    for head in ("head", "head_dist"):
        np.testing.assert_array_equal(loaded["params"]["context"][head]["kernel"], context["params"][head]["kernel"])


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"roi": "nowhere.pth"}, "config.student.init: no weights for resnet_tiny at 'nowhere.pth'"),
        ({"food": "random"}, "config.student.init: unknown branch 'food'"),
    ],
)
def test_mistakes(init, message):
    with pytest.raises(UserError, match=message):
        networks.check_weights({"student": network(init)})


def test_a_network_without_branches_has_one_source():
    config = tiny.config()
    config.student = {"model": "resnet_tiny", "init": {"roi": "random"}, "options": {"width": 4}}
    with pytest.raises(UserError, match=r"config.student.init: resnet_tiny has no branches: name one source"):
        networks.check_weights({"student": networks.build(config, tiny.CLASSES)["student"]})
