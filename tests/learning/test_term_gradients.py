import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import losses
from jdnet_jax.learning import assembly, term_gradients
from jdnet_jax.learning.forward import forward, step_key
from jdnet_jax.learning.norms import inner, norm
from jdnet_jax.models import labels
from tests import tiny_recipe as tiny

WEIGHTS = {"ce_student": 1.5, "mskd_teacher": 1.0, "ial_teacher": 2.0, "kl_teacher": 0.5}


@pytest.fixture(scope="module")
def looked():
    """(recipe, what two devices each say of the first look)."""
    changes = {f"losses__{name.partition('_')[0]}__weight": weight for name, weight in WEIGHTS.items()}
    recipe = tiny.Recipe(tiny.config(losses__mskd__options__stages=(-1,), **changes))
    look = tiny.mapped(recipe.parts.look(), 2, out_axes=0)
    return recipe, look(recipe.state, tiny.cut(tiny.batch(), 2))


def directly(recipe, name, batch):
    """The gradient of one term into the student, through everything, on one device."""
    [term] = (term for term in recipe.terms if term.name == name)
    state, key = recipe.state, step_key(recipe.state)

    def value(student):
        params = {**state.params, "student": student}
        outputs, _ = forward(recipe.networks, params, state.batch_stats, batch, key)
        of_batch = labels.of_batch(batch, tiny.CLASSES)
        return losses.evaluate(
            [dataclasses.replace(term, weight=lambda step: jnp.float32(1))],
            params,
            state.batch_stats,
            outputs,
            of_batch,
            state.step,
        )[0]

    return jax.grad(value)(state.params["student"])


@pytest.mark.slow
def test_the_figures_are_those_of_gradients_that_are_taken_one_by_one(looked):
    recipe, figures = looked
    halves = [{name: value[device, 0] for name, value in tiny.cut(tiny.batch(), 2).items()} for device in range(2)]
    found = {}
    for name in WEIGHTS:
        gradients = jax.jit(lambda batch, name=name: directly(recipe, name, batch))
        found[name] = jax.tree.map(lambda a, b: (a + b) / 2, *map(gradients, halves))
    reference = found.pop("ce_student")
    assert set(figures) == {f"gradient_{figure}/{name}" for figure in ("share", "cosine") for name in found}
    for name, gradient in found.items():
        cosine = inner(gradient, reference) / (norm(gradient) * norm(reference))
        assert float(figures[f"gradient_cosine/{name}"][0]) == pytest.approx(float(cosine), abs=1e-3)
        share = WEIGHTS[name] / WEIGHTS["ce_student"] * norm(gradient) / norm(reference)
        assert float(figures[f"gradient_share/{name}"][0]) == pytest.approx(float(share), rel=1e-3)


def test_all_devices_say_the_same(looked):
    _, told = looked
    for leaf in jax.tree.leaves(told):
        assert np.all(np.isfinite(leaf))
        np.testing.assert_array_equal(leaf[0], leaf[1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gradient_report": 3}, {0, 10, 19}),
        ({"gradient_report": 1}, {0}),
        ({"gradient_report": 0}, set()),
        ({"gradient_report": 3, "losses__ce__weight": 0.0}, set()),
    ],
)
def test_where_to_look(changes, expected):
    config = tiny.config(**changes)
    assert assembly.assemble(config, tiny.CLASSES, 20).looks() == expected


@pytest.mark.parametrize("steps", [1, 2, 5, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_looks_are_as_many_as_fit_from_the_first_to_the_last(steps, count):
    found = term_gradients.looks(steps, count)
    assert len(found) == min(steps, count)
    if found:
        assert min(found) == 0
        assert count == 1 or max(found) == steps - 1
