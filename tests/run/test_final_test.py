"""The final test with an evaluation whose logits are known."""

import io

import jax
import numpy as np
import pytest

from jdnet_jax import data
from jdnet_jax.figures.classification import Result
from jdnet_jax.learning import evaluation
from jdnet_jax.process.progress import Progress
from jdnet_jax.run import final_test
from tests import tiny_recipe as tiny

COUNT = 200


@pytest.fixture(scope="module")
def recipe():
    return tiny.Recipe(tiny.config())


class KnownEvaluation(evaluation.Evaluation):
    """Networks that are right on four photos of five, at a confidence of about 0.999."""

    def __init__(self, names):
        self.names = names
        labels = np.arange(COUNT) % tiny.CLASSES
        answers = np.where(np.arange(COUNT) // tiny.CLASSES % 5 == 0, (labels + 1) % tiny.CLASSES, labels)
        self.logits = 8.0 * np.eye(tiny.CLASSES, dtype=np.float32)[answers], labels

    def results(self, state, role, *, frozen=True):
        shift = {"val": 0, "test": 1}[role]
        return {name: Result(np.eye(tiny.CLASSES, dtype=int), i + shift, 0.0) for i, name in enumerate(self.names)}

    def student_logits(self, state, roles):
        return dict.fromkeys(roles, self.logits)


class Overlapping(data.Dataset):
    """Photos of which only this is asked: whether val's were trained on."""

    def __init__(self, answer):
        object.__setattr__(self, "answer", answer)

    def overlap(self, one, other):
        return self.answer


def of_networks(recipe, *, overlap):
    out = io.StringIO()
    progress = Progress(1, 1, out)
    known = KnownEvaluation([*recipe.networks, "ensemble"])
    tested = final_test.of_networks(recipe.parts, Overlapping(overlap), known, recipe.state, progress)
    return tested, out.getvalue()


def test_a_student_that_is_too_sure_is_cooled_on_val(recipe):
    tested, said = of_networks(recipe, overlap=False)
    assert not said
    assert tested.step == 0
    assert {role: results["teacher"].top5_count for role, results in tested.results.items()} == {"val": 1, "test": 2}
    # Four of five are right where softmax(8 / T) of one class against four others says 0.8: T = 8 / ln 16.
    assert tested.calibration["temperature"] == pytest.approx(8 / np.log(16), rel=1e-3)
    assert tested.not_sure["fitted_on"] == COUNT
    counts = {name: sum(x.size for x in jax.tree.leaves(recipe.state.params[name])) for name in recipe.networks}
    assert tested.parameters == counts


def test_nothing_is_fitted_on_photos_that_were_trained_on(recipe):
    tested, said = of_networks(recipe, overlap=True)
    assert tested.calibration["temperature"] == 1.0
    assert tested.not_sure["below"] == 0.0
    assert said.count("\n") == 1
