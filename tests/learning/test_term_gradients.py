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

EVERY = 2


def recipe_of(**changes):
    changes = {"losses__mskd__options__stages": (-1,), "losses__kl__routing": {"teacher": 0.0}, **changes}
    return tiny.Recipe(tiny.config(share_every=EVERY, **changes))


@pytest.fixture(scope="module")
def shared():
    """(recipe, what two devices each say of the first look) where MSKD and KL have a share and IAL a weight."""
    recipe = recipe_of(losses__mskd__share=0.3, losses__kl__share=0.5, losses__ial__weight=2.0)
    look = tiny.mapped(recipe.parts.look(), 2, out_axes=0)
    return recipe, look, look(recipe.state, tiny.cut(tiny.batch(), 2))


def directly(recipe, name, batch):
    """The gradient of one term into the student, through everything, on one device."""
    [term] = (term for term in recipe.terms if term.name == name)
    state, key = recipe.state, step_key(recipe.state)

    def value(student):
        params = {**state.params, "student": student}
        outputs, _ = forward(recipe.networks, params, state.batch_stats, batch, key)
        of_batch = labels.of_batch(batch, tiny.CLASSES)
        return losses.evaluate(
            [dataclasses.replace(term, share=0.0, weight=lambda step: jnp.float32(1))],
            params,
            state.batch_stats,
            outputs,
            of_batch,
            state.step,
        )[0]

    return jax.grad(value)(state.params["student"])


@pytest.mark.slow
def test_the_figures_are_those_of_gradients_that_are_taken_one_by_one(shared):
    recipe, _, (norms, figures) = shared
    halves = [{name: value[device, 0] for name, value in tiny.cut(tiny.batch(), 2).items()} for device in range(2)]
    names = ("ce_student", "mskd_teacher", "ial_teacher", "kl_teacher")
    found = {}
    for name in names:
        gradients = jax.jit(lambda batch, name=name: directly(recipe, name, batch))
        found[name] = jax.tree.map(lambda a, b: (a + b) / 2, *map(gradients, halves))
    reference = found["ce_student"]
    assert set(norms) == {"ce_student", "mskd_teacher", "kl_teacher"}
    for name, value in norms.items():
        assert float(value[0]) == pytest.approx(float(norm(found[name])), rel=1e-3)
    for name in names[1:]:
        expected = inner(found[name], reference) / (norm(found[name]) * norm(reference))
        assert float(figures[f"gradient_cosine/{name}"][0]) == pytest.approx(float(expected), abs=1e-3)
    shares = {name: float(figures[f"gradient_share/{name}"][0]) for name in names[1:]}
    ial = 2.0 * float(norm(found["ial_teacher"]) / norm(reference))
    assert shares == pytest.approx({"mskd_teacher": 0.3, "kl_teacher": 0.5, "ial_teacher": ial}, rel=1e-3)


def test_all_devices_say_the_same(shared):
    _, _, told = shared
    for leaf in jax.tree.leaves(told):
        assert np.all(np.isfinite(leaf))
        np.testing.assert_array_equal(leaf[0], leaf[1])


def test_the_norms_are_measured_every_few_steps_and_smoothed(shared):
    recipe, look, (first, _) = shared
    first = {name: value[0] for name, value in first.items()}
    between = dataclasses.replace(recipe.state, norms=first, step=jnp.int32(EVERY - 1))
    same, figures = look(between, tiny.cut(tiny.batch(seed=1), 2))
    for name, value in first.items():
        np.testing.assert_array_equal(same[name][0], value)
    assert float(figures["gradient_share/mskd_teacher"][0]) != pytest.approx(0.3, rel=1e-4)  # of this batch
    alone, _ = look(dataclasses.replace(recipe.state, step=jnp.int32(EVERY)), tiny.cut(tiny.batch(seed=1), 2))
    next_one, _ = look(dataclasses.replace(between, step=jnp.int32(EVERY)), tiny.cut(tiny.batch(seed=1), 2))
    for name, value in first.items():
        expected = 0.8 * float(value) + 0.2 * float(alone[name][0])
        assert float(next_one[name][0]) == pytest.approx(expected, rel=1e-5)


def test_the_step_weighs_by_the_norms_and_says_so(shared):
    recipe, _, (norms, _) = shared
    norms = {name: value[0] for name, value in norms.items()}
    state = dataclasses.replace(recipe.state, norms=norms)
    after, metrics = tiny.mapped(recipe.step(), 1)(state, tiny.cut(tiny.batch(), 1))
    even = {name: float(norms["ce_student"] / value) for name, value in norms.items()}
    weights = {"mskd_teacher": 0.3 * even["mskd_teacher"], "kl_teacher": 0.5 * even["kl_teacher"]}
    assert {name: float(metrics[f"weight/{name}"]) for name in weights} == pytest.approx(weights, rel=1e-5)
    weights |= {"ce_student": 1.0, "ce_teacher": 1.0, "ial_teacher": 2.0}
    total = sum(weight * float(metrics[f"loss/{name}"]) for name, weight in weights.items())
    assert float(metrics["loss/total"]) == pytest.approx(total, rel=1e-5)
    assert set(recipe.parts.scheduled(0)) >= {"weight/ial_teacher", "weight/ce_student"}
    assert not {"weight/mskd_teacher", "weight/kl_teacher"} & set(recipe.parts.scheduled(0))
    for name, value in norms.items():
        np.testing.assert_array_equal(after.norms[name], value)


def terms_of(**changes):
    return recipe_of(**changes).terms


def test_weights_by_hand():
    terms = terms_of(losses__mskd__share=0.3, losses__ce__weight=2.0)
    norms = {"ce_student": jnp.float32(5.0), "mskd_teacher": jnp.float32(0.5)}
    # 0.3 of 2 * 5, by a gradient of 0.5.
    assert float(term_gradients.weights(terms, norms, jnp.int32(0))["mskd_teacher"]) == pytest.approx(6.0)
    # Nothing to weigh, and as good as nothing.
    assert (
        float(term_gradients.weights(terms, {**norms, "mskd_teacher": jnp.zeros(())}, jnp.int32(0))["mskd_teacher"])
        == 0
    )
    tiny_one = {**norms, "mskd_teacher": jnp.float32(1e-30)}
    assert float(term_gradients.weights(terms, tiny_one, jnp.int32(0))["mskd_teacher"]) == 1e4


def test_the_schedule_of_a_term_is_that_of_its_share():
    schedule = {"name": "linear", "warmup": 1.0}
    terms = terms_of(losses__mskd__share=0.3, losses__mskd__schedule=schedule, losses__mskd__weight=7.0)
    norms = {"ce_student": jnp.float32(1.0), "mskd_teacher": jnp.float32(1.0)}
    weights = [float(term_gradients.weights(terms, norms, jnp.int32(step))["mskd_teacher"]) for step in (0, 10, 20)]
    assert weights == pytest.approx([0.0, 0.15, 0.3])


def test_a_norm_that_is_not_finite_is_left_out():
    smoothed = [float(term_gradients._smoothed(jnp.float32(3.0), jnp.float32(new))) for new in (np.nan, np.inf, 8.0)]
    assert smoothed == pytest.approx([3.0, 3.0, 4.0])


def test_without_a_share_the_state_holds_no_norms_and_nothing_is_weighed():
    recipe = recipe_of()
    assert recipe.state.norms == {}
    assert term_gradients.weights(recipe.terms, {}, jnp.int32(0)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gradient_report": 3}, {0: True, 10: True, 19: True}),
        ({"gradient_report": 1}, {0: True}),
        ({"gradient_report": 0}, {}),
        (
            {"gradient_report": 2, "losses__mskd__share": 0.1, "share_every": 8},
            {0: True, 8: False, 16: False, 19: True},
        ),
        ({"gradient_report": 3, "losses__ce__weight": 0.0}, {}),
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
