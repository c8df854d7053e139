import dataclasses
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.learning import frozen_teachers, networks, step
from jdnet_jax.learning.frozen_teachers import FrozenTeachers
from tests import tiny_recipe as tiny
from tests import tiny_teachers


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    return tiny_teachers.save(tmp_path_factory.mktemp("teachers"), [str(label) for label in range(tiny.CLASSES)])


@pytest.fixture(scope="module")
def recipe(teachers):
    return tiny.Recipe(tiny.meal_config(teachers, "meal_alternate", sync_batch_norm=True))


@pytest.fixture(scope="module")
def compiled(recipe):
    """The step of one device."""
    return tiny.mapped(recipe.step(), 1).lower(recipe.state, tiny.cut(tiny.batch(), 1)).compile()


def run(train, state, devices, steps):
    history = []
    for number in range(steps):
        state, metrics = train(state, tiny.cut(tiny.batch(seed=number), devices))
        history.append((state, {key: float(value) for key, value in metrics.items()}))
    return history


@pytest.fixture(scope="module")
def four_steps(recipe, compiled):
    return run(compiled, recipe.state, 1, 4)


@pytest.fixture(scope="module")
def images():
    return {"image": jnp.asarray(tiny.batch(8)["image"])}


@pytest.fixture(scope="module")
def each(recipe, images):
    """The outputs of each teacher."""
    frozen = dataclasses.replace(recipe.frozen, selection="all")
    return jax.jit(frozen.__call__)(recipe.state.params, recipe.state.batch_stats, images, jax.random.key(0))


def steps_key(recipe, number):
    return jax.random.fold_in(jax.random.wrap_key_data(recipe.state.rng), number)


def convolutions(hlo):
    """Of a compiled program: convolutions that are always computed, and those of each branch of its conditional."""
    bodies = dict(re.findall(r"^(?:ENTRY )?%?([\w.-]+) [^\n]*\{\n(.*?)^\}", hlo, re.S | re.M))
    [branches] = re.findall(r"conditional\(.*?branch_computations=\{(.*?)\}", hlo)
    branches = [name.strip(" %") for name in branches.split(",")]

    def count(name, without=()):
        body = bodies[name]
        called = set(re.findall(r"%?([\w.-]+)", " ".join(re.findall(r"(?:calls|to_apply|body)=%?[\w.-]+", body))))
        called |= {
            inner.strip(" %")
            for found in re.findall(r"branch_computations=\{(.*?)\}", body)
            for inner in found.split(",")
        }
        inner = [other for other in called if other in bodies and other not in without and other != name]
        return len(re.findall(r"= \S+ convolution\(|custom_call_target=\"[^\"]*conv", body)) + sum(
            count(other, without) for other in inner
        )

    entry = re.search(r"^ENTRY %?([\w.-]+)", hlo, re.M)[1]
    return count(entry, branches), [count(branch) for branch in branches]


def test_teachers_that_are_not_drawn_cost_no_forward(compiled):
    always, branches = convolutions(compiled.as_text())
    # `resnet_tiny` has 7 convolutions wider than 1x1 in a forward: the stem and two in each of three blocks. (XLA turns
    # the others into products.) The student has twice as many in the backward, less the gradient of the images.
    assert branches == [7, 7, 7]
    assert always == 3 * 7 - 1


def test_each_teacher_is_drawn_as_often(recipe):
    frozen = FrozenTeachers(dict.fromkeys("abc", recipe.networks["student"]), "random")
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(0), number))(jnp.arange(3000))
    counts = np.bincount(jax.vmap(frozen.chosen)(keys), minlength=3)
    assert counts.sum() == 3000
    assert np.abs(counts - 1000).max() < 100  # standard deviation 26


def test_the_drawn_teachers_blocks_are_what_the_terms_see(recipe, images, each):
    forward, drawn = jax.jit(recipe.frozen.__call__), set()
    for number in range(6):
        key = steps_key(recipe, number)
        name = list(each)[int(recipe.frozen.chosen(key))]
        drawn.add(name)
        found = forward(recipe.state.params, recipe.state.batch_stats, images, key)["ensemble"]
        for a, b in zip(recipe.frozen.readers["ensemble"](found), recipe.frozen.readers[name](each[name]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert len(drawn) > 1


def test_all_devices_see_the_same_teacher_as_one_device_does(recipe, four_steps):
    eight = run(tiny.mapped(recipe.step(), 8), recipe.state, 8, 4)
    for (_, one), (_, other) in zip(four_steps, eight, strict=True):
        for name in ("loss/similarity_ensemble", "loss/adversarial_ensemble"):
            assert one[name] == pytest.approx(other[name], rel=2e-3)
        assert one["accuracy/ensemble"] == other["accuracy/ensemble"]


def test_in_turns_the_discriminators_stand_still_in_odd_steps_and_the_student_never(recipe, four_steps):
    states = [recipe.state, *(state for state, _ in four_steps)]
    for number, (before, after) in enumerate(itertools.pairwise(states)):
        same = {
            group: all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (x, y)), strict=True))
            for group, x, y in ((g, before.params[g], after.params[g]) for g in before.params)
        }
        expected = {"student": False, "discriminators": number % 2 == 1, "a": True, "b": True, "c": True}
        assert same == expected
    assert set(states[-1].opt_state) == {"student", "discriminators"}


def test_the_discriminators_accuracy_is_a_metric_and_labels_are_no_loss(four_steps):
    _, metrics = four_steps[-1]
    assert 0 <= metrics["accuracy/adversarial_ensemble"] <= 1
    losses = {name for name in metrics if name.startswith("loss/")}
    assert losses == {"loss/total", "loss/similarity_ensemble", "loss/adversarial_ensemble"}


def test_the_mean_of_softmaxes_by_hand():
    logits = [jnp.log(jnp.array([[0.2, 0.8]])), jnp.log(jnp.array([[0.6, 0.4]])) + 3.0]
    np.testing.assert_allclose(jnp.exp(frozen_teachers.mean_softmax(logits)), [[0.4, 0.6]], rtol=1e-6)


def test_the_mean_takes_every_teacher(recipe, each):
    readers = recipe.frozen.readers
    found = frozen_teachers.mean([readers[name].aligned(outputs) for name, outputs in each.items()])
    softmaxes = [jax.nn.softmax(outputs.logits) for outputs in each.values()]
    np.testing.assert_allclose(jax.nn.softmax(found.logits), np.mean(softmaxes, 0), rtol=1e-5)
    firsts = [readers[name](outputs)[0] for name, outputs in each.items()]
    np.testing.assert_allclose(readers["ensemble"](found)[0], np.mean(firsts, 0), rtol=1e-4, atol=1e-6)


def test_the_ensemble_is_evaluated_by_the_mean_of_the_softmaxes(recipe, each):
    names = list(recipe.frozen.members)
    variables = {name: recipe.state.variables(name) for name in names}
    batch = {**tiny.batch(8), "mask": np.arange(8) < 7}
    counts = tiny.mapped(step.eval_step(recipe.networks), 1)(variables, {key: v[None] for key, v in batch.items()})
    mean = np.mean([jax.nn.softmax(outputs.logits) for outputs in each.values()], 0)[:7]
    confusion = np.zeros((tiny.CLASSES, tiny.CLASSES), int)
    np.add.at(confusion, (batch["label"][:7], mean.argmax(-1)), 1)
    np.testing.assert_array_equal(counts["ensemble/confusion"], confusion)
    assert float(counts["ensemble/loss"]) == pytest.approx(
        -np.log(mean[np.arange(7), batch["label"][:7]]).sum(), rel=1e-4
    )
    alone = {names[0]: variables[names[0]]}
    assert "ensemble/top5" not in jax.eval_shape(
        tiny.mapped(step.eval_step(recipe.networks), 1), alone, {key: v[None] for key, v in batch.items()}
    )


def test_faithful_teachers_take_the_statistics_of_the_batch(teachers, recipe, images):
    config = tiny.meal_config(teachers, losses__adversarial__options__faithful=True, teacher_selection="all")
    nets = {"a": networks.build(config, tiny.CLASSES)["a"]}
    variables = recipe.state.variables("a")
    of = jax.jit(frozen_teachers.build(config, nets).__call__)
    found = of({"a": variables["params"]}, {"a": variables["batch_stats"]}, images, jax.random.key(0))["a"].logits
    module, x = nets["a"].module, nets["a"].prepare(images)
    expected, _ = jax.jit(lambda v: module.apply(v, x, train=True, mutable=["batch_stats"]))(variables)
    np.testing.assert_allclose(found, expected.logits, rtol=1e-4, atol=1e-5)
    assert np.abs(found - jax.jit(lambda v: module.apply(v, x, train=False))(variables).logits).max() > 1e-3


@pytest.mark.parametrize("recipe_name", ["jdnet_meal", "meal_v2"])
def test_other_compositions_are_config_alone(teachers, recipe_name):
    own = tiny.Recipe(tiny.meal_config(teachers, recipe_name))
    _, metrics = jax.eval_shape(tiny.mapped(own.step(), 1), own.state, tiny.cut(tiny.batch(), 1))
    found = {name.removeprefix("loss/") for name in metrics if name.startswith("loss/")}
    meal = {"total", "similarity_ensemble", "adversarial_ensemble"}
    jdnet = {"ce_student", "ce_teacher", "mskd_teacher", "ial_teacher", "kl_teacher", "kl_ensemble"}
    assert found == meal | (jdnet if recipe_name == "jdnet_meal" else set())
    groups = {"teacher", "adapters"} if recipe_name == "jdnet_meal" else set()
    assert set(own.optimizers) == {"student", "discriminators"} | groups


def test_stand_ins_have_the_shapes_of_a_step(recipe):
    outputs = {name: networks.shapes(network)[0] for name, network in recipe.networks.items()}
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), outputs)
    found = recipe.frozen.stand_ins(zeros)["ensemble"]
    one = {"image": jnp.zeros((1, tiny.SIZE, tiny.SIZE, 3))}
    of = (recipe.state.params, recipe.state.batch_stats, one, jax.random.key(0))
    real = jax.eval_shape(recipe.frozen.__call__, *of)["ensemble"]
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(lambda leaf: leaf.shape, real)
