from pathlib import Path

import pytest

from jdnet_jax.config import bases, pairs
from jdnet_jax.config.defaults import default, differences
from jdnet_jax.config.keys import COUPLINGS
from tests.config.test_config_files import load

ROOT = Path(__file__).resolve().parents[2]


def terms(config):
    return {term: (config.losses[term].weight, config.losses[term].schedule.name) for term in COUPLINGS}


@pytest.mark.parametrize("recipe", ["jdnet", "jdnet_oneway", "jdnet-mskd", "jdnet_meal"])
def test_a_teacher_that_begins_untrained_is_followed_little_and_from_nothing_on(recipe):
    config = default()
    bases.couple(config, recipe)
    assert terms(config) == {"mskd": (1.0, "linear"), "ial": (0.1, "linear"), "kl": (0.5, "linear")}
    assert {config.losses[term].schedule.warmup for term in COUPLINGS} == {1.0}


@pytest.mark.parametrize("recipe", ["jdnet_trained", "jdnet_trained_oneway", "jdnet_trained-ial"])
def test_a_trained_teacher_is_followed_closely_from_the_first_step_on(recipe):
    config = default()
    bases.couple(config, recipe)
    assert terms(config) == {"mskd": (4.0, "constant"), "ial": (0.8, "constant"), "kl": (4.0, "constant")}
    assert config.losses.ial.options.variant == "classes"


@pytest.mark.parametrize("name", ["food101", "grocery", "image_folder", "uec256"])
def test_the_configs_of_photos_have_these_weights(name):
    path = ROOT / "configs" / f"{name}.py"
    for recipe in ("jdnet", "jdnet_trained"):
        expected = default()
        bases.couple(expected, recipe)
        assert terms(load(path, recipe)[1]) == terms(expected)
    assert terms(load(path, "kd")[1])["kl"] == (4.0, "constant")


@pytest.mark.parametrize("recipe", ["ce", "dml", "fitnet", "at", "dist", "patient", "probe"])
def test_the_controls_keep_the_weights_of_their_recipes(recipe):
    config = default()
    bases.couple(config, recipe)
    assert not differences(default().to_dict(), config.to_dict())
    assert terms(bases.food_from_scratch(recipe, pairs.DEFAULT)) == terms(config)
