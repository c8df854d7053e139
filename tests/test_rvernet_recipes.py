"""RveRNet in the recipes: as the network that is trained, and as a teacher or a student of JDNet, by config alone."""

import jax
import numpy as np
import pytest

from jdnet_jax.config import check, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import alignment_check, networks
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny

RVERNET = {
    "model": "rvernet",
    "init": "random",
    "options": {
        "roi": "resnet_tiny",
        "context": "resnet_tiny",
        "roi_options": {"width": 4},
        "context_options": {"width": 4},
        "hidden": 8,
    },
}

SINGLE = {"model": "resnet_tiny", "init": "random", "options": {"width": 4}}


def batch():
    """Of two parts: the left half of the picture is food."""
    whole = tiny.batch(8)
    mask = np.zeros((tiny.SIZE, tiny.SIZE, 1), np.uint8)
    mask[:, : tiny.SIZE // 2] = 1
    return {"image": whole["image"] * mask, "context": whole["image"] * (1 - mask), "label": whole["label"]}


def config_of(student, teacher):
    config = tiny.config(dataset__view="roi+context", dataset__name="synthetic_meals", batch_size=8)
    config.losses.mskd.options.stages = (2,)
    config.student = student
    config.teachers = {"teacher": {**teacher, "trainable": True}}
    return config


@pytest.mark.parametrize("role", ["student", "teacher"])
def test_jdnet_with_rvernet_as_one_of_its_networks(role):
    made = tiny.Recipe(config_of(*((RVERNET, SINGLE) if role == "student" else (SINGLE, RVERNET))))
    alignment_check.check_alignment(made.config, made.networks)
    after, metrics = tiny.mapped(made.step(), 1)(made.state, tiny.cut(batch(), 1))
    assert {"loss/ce_student", "loss/ce_teacher", "loss/mskd_teacher", "loss/ial_teacher"} <= metrics.keys()
    assert all(np.isfinite(value) for value in metrics.values())
    for branch in ("roi", "context", "integration"):
        before, now = (state.params[role][branch] for state in (made.state, after))
        moved = jax.tree.map(lambda a, b: np.any(np.asarray(a) != np.asarray(b)), before, now)
        assert any(jax.tree.leaves(moved)), branch


def test_which_part_each_network_sees():
    """RveRNet sees food and surroundings side by side, a network of one branch the whole photo."""
    nets = networks.build(config_of(RVERNET, SINGLE), tiny.CLASSES)
    parts = batch()
    prepared = {name: np.asarray(network.prepare(parts)) for name, network in nets.items()}
    spec = nets["teacher"].module.input_spec
    whole = parts["image"].astype(np.float32) + parts["context"]
    np.testing.assert_allclose(prepared["teacher"], (whole - spec.mean) / spec.std, rtol=1e-5, atol=1e-6)
    assert prepared["student"].shape == (8, tiny.SIZE, tiny.SIZE, 6)
    np.testing.assert_allclose(
        prepared["student"][..., 3:], (parts["context"] - np.float32(spec.mean)) / spec.std, rtol=1e-5, atol=1e-6
    )


def test_rvernet_without_two_parts_says_what_to_set():
    nets = networks.build(config_of(RVERNET, SINGLE), tiny.CLASSES)
    with pytest.raises(UserError, match=r"set config\.dataset\.view"):
        nets["student"].prepare(tiny.batch(2))
    config = config_of(RVERNET, SINGLE)
    config.dataset.view = "roi"
    with pytest.raises(UserError, match=r"config\.student \(rvernet\) takes the region .*: set config\.dataset\.view"):
        alignment_check.check_alignment(config, nets)


@pytest.mark.parametrize(("recipe_name", "variant"), [("deit_hard", "hard"), ("deit_soft", "soft")])
def test_the_recipes_of_deit(recipe_name, variant):
    config = recipes.apply_recipe(config_lib.default(), recipe_name)
    check.check(config)
    assert not config.teachers.teacher.trainable
    assert config.losses.distill.options.variant == variant
    assert [name for name, entry in config.losses.items() if entry.weight] == ["distill"]


def test_distillation_needs_a_token_for_it():
    config = tiny.config()
    config.losses.distill.weight = 1.0
    nets = networks.build(config, tiny.CLASSES)
    with pytest.raises(UserError, match=r"config\.losses\.distill needs a student with a distillation token"):
        alignment_check.check_alignment(config, nets)


def test_random_augmentation_of_geometry_is_refused_where_it_would_part_photo_and_mask():
    with pytest.raises(
        UserError, match=r"config\.augment\.rand_augment\.layers must be 0 with config\.dataset\.view='roi'"
    ):
        tiny.config(dataset__view="roi", augment__rand_augment__layers=2)
