"""What networks begin with."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import initial_weights, networks
from jdnet_jax.models import hub
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny
from tests import tiny_student


def test_weights_of_the_hub_are_looked_for_before_anything_is_allocated(monkeypatch):
    def absent(source):
        raise UserError(f"{source}: there is none")

    monkeypatch.setattr(hub, "check", absent)
    config = tiny.config()
    config.teachers.teacher.init = "timm/resnet18.a1_in1k"
    with pytest.raises(UserError, match=r"^config.teachers.teacher.init: timm/resnet18.a1_in1k: there is none$"):
        initial_weights.check(networks.build(config, 3))


def test_fresh_weights_depend_on_seed_and_name_alone():
    one = initial_weights.initialize(networks.build(tiny.config(), 3)["student"], 0, 3)
    two = initial_weights.initialize(networks.build(tiny.config(image_size=64), 3)["student"], 0, 3)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_hand_off_of_a_transformer_for_another_size_is_resized(tmp_path, capsys):
    folder = tiny_student.save(tmp_path / "student", model="vit_tiny_test", options={})
    config = config_lib.default()
    config.image_size = 16
    config.student = {"model": "vit_tiny_test", "init": str(folder), "options": {}}
    network = networks.build(config, len(tiny_student.CLASSES))["student"]
    variables = initial_weights.initialize(network, 0, len(tiny_student.CLASSES))
    assert networks.fits(network, variables)
    assert variables["batch_stats"] == {}
    assert capsys.readouterr().err == "vit_tiny_test: positional embeddings resized from 8x8 to 4x4 patches\n"


def frozen(init, classes, **options):
    config = config_lib.default()
    config.image_size = 32
    config.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 4}}
    config.teachers = {"teacher": config_lib.teacher("resnet_tiny", str(init), False, width=4)}
    return networks.build(config, classes)


def test_a_trained_teacher_must_know_the_classes_and_see_what_it_was_trained_on(tmp_path, capsys):
    names = tiny_student.CLASSES
    nets = frozen(tiny_student.save(tmp_path / "student"), len(names))
    check = functools.partial(initial_weights.check_trained_teachers, protocol="drawn at random")
    check(nets, names, "photo")
    check(nets, names, "roi+context")  # it is shown the sum of both
    assert capsys.readouterr().err == ""
    check(nets, names, "photo", protocol="others")
    assert "was trained on other data than this run's" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"^config.teachers.teacher.init: .*: they are in another order"):
        check(nets, names[::-1], "photo")
    with pytest.raises(UserError, match="only the dataset has ham; only the model has grape"):
        check(nets, (*names[:-1], "ham"), "photo")
    with pytest.raises(UserError, match="was trained on the view 'photo' and is shown 'roi' here"):
        check(nets, names, "roi")
    # One that learns them beside the student learns the run's own classes.
    learning = {name: dataclasses.replace(network, fresh_classifier=True) for name, network in nets.items()}
    check(learning, names[::-1], "photo")
