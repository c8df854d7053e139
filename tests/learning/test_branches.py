"""Weights of RveRNet's branches, loaded from files and hand-offs of their own networks."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import handoff, models
from jdnet_jax.learning import initial_weights, networks
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny
from tests import tiny_student

OPTIONS = {"roi": "resnet_tiny", "context": "deit_tiny_distilled_test", "roi_options": {"width": 4}, "hidden": 8}


def weights(path, name, classes, **options):
    """A file of a network's weights under timm's names, and the variables in it."""
    module = models.create(name, classes, **options)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
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
    initial_weights.check({"student": network_})
    loaded = initial_weights.initialize(network_, 0, tiny.CLASSES)
    fresh = initial_weights.initialize(network("random"), 0, tiny.CLASSES)
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
    loaded = initial_weights.initialize(network(init, integration="logits"), 0, tiny.CLASSES)
    for head in ("head", "head_dist"):
        np.testing.assert_array_equal(loaded["params"]["context"][head]["kernel"], context["params"][head]["kernel"])


def hand_off(folder, size, classes):
    """That of a distilled DeiT at a size of images, of random values; and its variables."""
    module = models.create("deit_tiny_distilled_test", len(classes))
    image = jnp.zeros((1, size, size, 3))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), image))
    rng = np.random.default_rng(1)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    card = tiny_student.card(
        model="deit_tiny_distilled_test", options={}, image_size=size, shorter_side=size, classes=classes
    )
    handoff.save(folder, {"batch_stats": {}, **variables}, card)
    return variables["params"]


@pytest.mark.parametrize("integration", ["features", "logits"])
def test_a_hand_off_of_another_size_and_other_classes(tmp_path, capsys, integration):
    theirs = hand_off(tmp_path / "context", 64, tiny_student.CLASSES)
    network_ = network({"context": str(tmp_path / "context")}, integration=integration)
    initial_weights.check({"student": network_})
    loaded = initial_weights.initialize(network_, 0, tiny.CLASSES)["params"]["context"]
    fresh = initial_weights.initialize(network("random", integration=integration), 0, tiny.CLASSES)["params"]["context"]
    said = capsys.readouterr().err
    assert "positional embeddings resized" in said
    assert theirs["pos_embed"].shape[1] > loaded["pos_embed"].shape[1] == fresh["pos_embed"].shape[1]
    np.testing.assert_array_equal(loaded["pos_embed"][:, :2], theirs["pos_embed"][:, :2])
    np.testing.assert_array_equal(loaded["dist_token"], theirs["dist_token"])
    assert ("has 7 classes, not 1000: context/head" in said) == (integration == "logits")
    if integration == "logits":
        for head in ("head", "head_dist"):
            jax.tree.map(np.testing.assert_array_equal, loaded[head], fresh[head])


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"roi": "nowhere.pth"}, "config.student.init: no weights for resnet_tiny at 'nowhere.pth'"),
        ({"food": "random"}, "config.student.init: unknown branch 'food'"),
    ],
)
def test_mistakes(init, message):
    with pytest.raises(UserError, match=message):
        initial_weights.check({"student": network(init)})


def test_a_network_without_branches_has_one_source():
    config = tiny.config()
    config.student = {"model": "resnet_tiny", "init": {"roi": "random"}, "options": {"width": 4}}
    with pytest.raises(UserError, match=r"config.student.init: resnet_tiny has no branches: name one source"):
        initial_weights.check({"student": networks.build(config, tiny.CLASSES)["student"]})
