import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import losses
from jdnet_jax.config import keys, recipes
from jdnet_jax.learning import assembly, devices, initial_weights, networks, optimizers, step
from jdnet_jax.losses.routing import route
from tests import tiny_recipe as tiny


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def run(recipe, devices, steps, grad_accum=1):
    train = tiny.mapped(recipe.step(), devices)
    current, history = recipe.state, []
    for number in range(steps):
        batch = tiny.cut(tiny.batch(recipe.config.batch_size, seed=number), devices, grad_accum)
        current, metrics = train(current, batch)
        history.append({key: float(value) for key, value in metrics.items()})
    return current, history


@pytest.fixture(scope="module")
def synced():
    return tiny.Recipe(tiny.config(sync_batch_norm=True))


@pytest.mark.slow
def test_eight_devices_and_one_agree_for_twenty_steps(synced):
    _, one = run(synced, 1, 20)
    end, eight = run(synced, 8, 20)
    assert int(end.step) == 20
    for a, b in zip(one, eight, strict=True):
        for name in (name for name in a if name.startswith("loss/")):
            assert a[name] == pytest.approx(b[name], rel=2e-3, abs=2e-4), name
    assert eight[-1]["loss/ce_student"] < eight[0]["loss/ce_student"]
    assert eight[-1]["loss/ce_teacher"] < eight[0]["loss/ce_teacher"]


@pytest.mark.parametrize("sync", [False, True])
def test_the_state_is_the_same_on_every_device(sync):
    recipe = tiny.Recipe(tiny.config(sync_batch_norm=sync, ema_decay=0.9))
    after, _ = tiny.mapped(recipe.step(), 8, out_axes=0)(recipe.state, tiny.cut(tiny.batch(), 8))
    for leaf in leaves(after):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))
    moved = [
        np.any(a[0] != b) for a, b in zip(leaves(after.batch_stats), leaves(recipe.state.batch_stats), strict=True)
    ]
    assert all(moved)


@pytest.mark.slow
def test_accumulation_dropout_and_the_average_do_not_depend_on_the_number_of_devices():
    """On eight devices the batches go through `devices.rows` and `devices.split`, as in a run.

    Of the student alone: the couplings are in `test_eight_devices_and_one_agree_for_twenty_steps`.
    """
    config = tiny.config(sync_batch_norm=True, grad_accum=2, ema_decay=0.9, batch_size=32)
    config.student.options.drop_rate = 0.5
    recipe = tiny.Recipe(recipes.apply_recipe(config, "ce"))
    ends, losses_of = [], []
    for count in (1, 8):
        train = tiny.mapped(recipe.step(), count)
        current = recipe.state
        for number in range(3):
            batch = tiny.batch(32, seed=number)
            if count == 8:
                order = devices.rows(32, grad_accum=2)
                share = devices.split({key: value[order] for key, value in batch.items()}, grad_accum=2)
            else:
                share = tiny.cut(batch, 1, grad_accum=2)
            current, metrics = train(current, share)
        ends.append(current)
        losses_of.append(float(metrics["loss/total"]))
    assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-3)
    for one, eight in zip(*(leaves(end.ema) for end in ends), strict=True):
        np.testing.assert_allclose(one, eight, rtol=1e-2, atol=2e-3)


def test_accumulated_gradients_are_those_of_the_whole_batch_where_batch_norm_is_frozen(synced):
    # With two micro-batches, each one's batch norm sees half of the examples, so the comparison is with the mean of the
    # two halves' gradients, taken as two devices that do not share their statistics.
    recipe = tiny.Recipe(tiny.config())
    halves, _ = tiny.mapped(recipe.step(), 2)(recipe.state, tiny.cut(tiny.batch(), 2))
    accumulated, _ = tiny.mapped(recipe.step(), 1)(recipe.state, tiny.cut(tiny.batch(), 1, grad_accum=2))
    for group in ("student", "teacher"):
        for a, b in zip(leaves(halves.params[group]), leaves(accumulated.params[group]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=3e-4)


def test_a_frozen_teacher_stays_as_it_is_and_has_no_optimiser():
    recipe = tiny.Recipe(tiny.config(teachers__teacher__trainable=False))
    after, _ = run(recipe, 1, 1)
    assert set(after.opt_state) == {"student", "adapters"}
    for part in ("params", "batch_stats"):
        before, now = getattr(recipe.state, part)["teacher"], getattr(after, part)["teacher"]
        for a, b in zip(leaves(before), leaves(now), strict=True):
            np.testing.assert_array_equal(a, b)


def test_several_teachers_one_frozen():
    config = tiny.config()
    config.teachers.second = {"model": "resnet_tiny", "init": "random", "trainable": False, "options": {"width": 6}}
    recipe = tiny.Recipe(config)
    _, history = run(recipe, 2, 1)
    names = {name.removeprefix("loss/") for name in history[0] if name.startswith("loss/")}
    couplings = {f"{term}_{teacher}" for term in ("mskd", "ial", "kl") for teacher in ("teacher", "second")}
    # A frozen teacher learns nothing from its cross-entropy, so that term is not there.
    assert names == {"total", "ce_student", "ce_teacher"} | couplings


def test_the_moving_average_follows_the_student():
    recipe = tiny.Recipe(tiny.config(ema_decay=0.5))
    after, _ = run(recipe, 1, 1)
    # At step 0 the effective decay is min(0.5, 1 / 10), and the average starts at the initial student... counted from
    # step 1, the step that was just taken: 2 / 11.
    kernel = lambda tree: np.asarray(jax.tree.leaves(tree)[0])  # noqa: E731
    expected = 2 / 11 * kernel(recipe.state.ema["params"]) + 9 / 11 * kernel(after.params["student"])
    np.testing.assert_allclose(kernel(after.ema["params"]), expected, rtol=1e-5, atol=1e-7)
    assert after.variables("student") is after.ema
    assert after.variables("teacher")["params"] is after.params["teacher"]


def test_bfloat16_computation_keeps_the_state_and_the_losses_in_float32():
    recipe = tiny.Recipe(tiny.config(compute_dtype="bfloat16"))
    after, history = run(recipe, 2, 2)
    assert {leaf.dtype for leaf in leaves((after.params, after.batch_stats))} == {np.dtype("float32")}
    assert all(np.isfinite(value) for value in history[-1].values())
    exact = run(tiny.Recipe(tiny.config()), 2, 1)[1][0]
    assert history[0]["loss/ce_student"] == pytest.approx(exact["loss/ce_student"], rel=0.05)


def test_a_mixture_learns_from_both_labels_in_their_shares():
    """Cross-entropy is linear in the target, so its value is the weighted sum of the values with either label."""
    recipe = tiny.Recipe(tiny.config())
    plain = tiny.batch()
    other = {**plain, "label": (plain["label"] + 1) % tiny.CLASSES}
    mixed = {**plain, "mixed_label": other["label"], "share": np.full(16, 0.25, np.float32)}
    train = tiny.mapped(recipe.step(), 2)
    of = {
        name: {key: float(value) for key, value in train(recipe.state, tiny.cut(batch, 2))[1].items()}
        for name, batch in (("plain", plain), ("other", other), ("mixed", mixed))
    }
    for term in ("loss/ce_student", "loss/ce_teacher"):
        expected = 0.25 * of["plain"][term] + 0.75 * of["other"][term]
        assert of["mixed"][term] == pytest.approx(expected, rel=1e-5)
        assert of["plain"][term] != pytest.approx(of["other"][term], rel=5e-5)
    # Features do not see the label; the activation map does; the larger share counts as the label.
    assert of["mixed"]["loss/mskd_teacher"] == pytest.approx(of["plain"]["loss/mskd_teacher"], rel=1e-6)
    assert of["mixed"]["loss/ial_teacher"] not in (of["plain"]["loss/ial_teacher"], of["other"]["loss/ial_teacher"])
    assert of["mixed"]["accuracy/teacher"] == of["other"]["accuracy/teacher"]


@pytest.fixture(scope="module")
def skipping():
    """(recipe, mapped step) of a step that leaves out updates that are not finite."""
    recipe = tiny.Recipe(tiny.config(ema_decay=0.9))
    step_of = step.train_step(recipe.networks, recipe.terms, recipe.optimizers, ema_decay=0.9, skip_non_finite=True)
    return recipe, tiny.mapped(step_of, 2)


def floats(batch):
    return {**batch, "image": batch["image"].astype(np.float32)}


def test_a_step_that_is_not_finite_on_one_device_is_left_out_on_all(skipping):
    recipe, train = skipping
    batch = floats(tiny.batch())
    batch["image"][3, 5, 5, 0] = np.nan
    after, metrics = train(recipe.state, tiny.cut(batch, 2))
    assert float(metrics["skipped"]) == 1
    assert int(after.step) == 1
    expected = dataclasses.replace(recipe.state, step=jnp.int32(1))
    for a, b in zip(leaves(after), leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)
    # The schedules of the learning rates follow the step: the next update is that of a run which took the first.
    follows, _ = train(after, tiny.cut(floats(tiny.batch()), 2))
    in_time = {name: optimizers.at_step(own, jnp.int32(1)) for name, own in recipe.state.opt_state.items()}
    taken, _ = train(dataclasses.replace(after, opt_state=in_time), tiny.cut(floats(tiny.batch()), 2))
    for a, b in zip(leaves(follows.params), leaves(taken.params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_that_is_finite_is_taken_where_others_would_be_left_out(skipping):
    recipe, train = skipping
    share = tiny.cut(floats(tiny.batch()), 2)
    after, metrics = train(recipe.state, share)
    plain, plain_metrics = tiny.mapped(recipe.step(), 2)(recipe.state, share)
    assert float(metrics["skipped"]) == 0
    assert "skipped" not in plain_metrics
    for a, b in zip(leaves(after), leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_step_is_deterministic():
    recipe = tiny.Recipe(tiny.config())
    first, second = (run(recipe, 2, 2)[0] for _ in range(2))
    for a, b in zip(leaves(first), leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


# term -> network -> whether the term sends it gradient, at the default routing.
CELLS = {
    "ce_student": {"student": True, "teacher": False, "adapters": False},
    "ce_teacher": {"student": False, "teacher": True, "adapters": False},
    "mskd_teacher": {"student": True, "teacher": True, "adapters": True},
    "ial_teacher": {"student": True, "teacher": True, "adapters": False},
    "kl_teacher": {"student": True, "teacher": True, "adapters": False},
    "distill_teacher": {"student": True, "teacher": False, "adapters": False},
}


@functools.cache
def outputs_of(student, **options):
    """The outputs of both networks for a batch, with this model as the student."""
    config, batch, found = tiny.config(), tiny.batch(8), {}
    config.student = {"model": student, "init": "random", "options": options}
    for name, network in networks.build(config, tiny.CLASSES).items():
        variables = initial_weights.initialize(network, config.seed, tiny.CLASSES)
        found[name] = jax.jit(network.module.apply)(variables, network.prepare(batch))
    return found


@pytest.fixture(scope="module")
def gradient_of_term():
    """(term, strength into the teacher, variants of the losses) -> gradient of that term alone.

    Into each network's outputs, through which all that it learns of the term must come, and into the adapters.
    """
    batch_labels = jnp.asarray(tiny.batch(8)["label"])

    def compute(name, strength=None, **variants):
        config = tiny.config()
        if name == "distill_teacher":
            config.losses.distill.weight, config.losses.mskd.options.stages = 1.0, (0, 1)
            config.teachers.teacher.trainable = False  # only such a teacher distils
            config.student = {"model": "deit_tiny_distilled_test", "init": "random", "options": {}}
        for loss, variant in variants.items():
            config.losses[loss].options.variant = variant
        if strength is not None:
            for loss in ("mskd", "ial", "kl"):
                config.losses[loss].routing = {"teacher": strength}
        terms = assembly.assemble(config, tiny.CLASSES, config.steps).terms
        [term] = (term for term in terms if term.name == name)
        outputs = outputs_of(config.student.model, **config.student.options)
        own, stats = jax.jit(lambda key: losses.init([term], key, outputs, batch_labels))(jax.random.key(1))

        def value(outputs, own):
            return losses.evaluate([term], own, stats, outputs, batch_labels, jnp.int32(0))[0]

        into_outputs, into_own = jax.jit(jax.grad(value, (0, 1)))(outputs, own)
        return {**into_outputs, "adapters": into_own}

    return functools.cache(compute)


def biggest(tree):
    return max((np.abs(leaf).max() for leaf in leaves(tree)), default=0.0)


@pytest.mark.parametrize("network", ["student", "teacher", "adapters"])
@pytest.mark.parametrize("term", CELLS)
def test_every_cell_of_the_routing_table(gradient_of_term, term, network):
    size = biggest(gradient_of_term(term)[network])
    assert (size > 0) == CELLS[term][network]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "variant"),
    [*(("mskd", variant) for variant in keys.MSKD_VARIANTS), *(("ial", v) for v in keys.IAL_VARIANTS)],
)
def test_every_variant_is_routed(gradient_of_term, loss, variant):
    default, oneway = (gradient_of_term(f"{loss}_teacher", strength, **{loss: variant}) for strength in (None, 0.0))
    assert biggest(default["student"]) > 0
    assert biggest(default["teacher"]) > 0
    assert biggest(oneway["student"]) > 0
    assert biggest(oneway["teacher"]) == 0
    assert (biggest(default["adapters"]) > 0) == (loss == "mskd" and variant != "attention")


@pytest.mark.parametrize("term", ["mskd_teacher", "ial_teacher", "kl_teacher"])
def test_strength_zero_is_one_way_and_exactly_zero(gradient_of_term, term):
    oneway = gradient_of_term(term, 0.0)
    assert biggest(oneway["teacher"]) == 0
    for a, b in zip(leaves(oneway["student"]), leaves(gradient_of_term(term)["student"]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("term", ["mskd_teacher", "ial_teacher", "kl_teacher"])
def test_the_teachers_gradient_is_proportional_to_the_strength(gradient_of_term, term):
    tenth, full = gradient_of_term(term)["teacher"], gradient_of_term(term, 1.0)["teacher"]
    scale = biggest(full)
    for a, b in zip(leaves(tenth), leaves(full), strict=True):
        np.testing.assert_allclose(a / scale, 0.1 * b / scale, atol=1e-5)


def test_routing_equals_the_sum_of_the_two_stopped_terms():
    # d(s, sg t) + r d(sg s, t) and d with the gradient into t scaled by r.
    def d(s, t):
        return jnp.sum(s**2 * jnp.sin(t))

    s, t, r = jnp.array([1.0, 2.0]), jnp.array([0.3, 0.4]), 0.1
    stop = jax.lax.stop_gradient
    expected = jax.grad(lambda s, t: d(s, stop(t)) + r * d(stop(s), t), argnums=(0, 1))(s, t)
    routed = jax.grad(lambda s, t: d(s, route(t, r)), argnums=(0, 1))(s, t)
    for a, b in zip(expected, routed, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_rows_and_split_give_every_example_to_one_device_in_micro_batches_of_neighbours():
    rows = devices.rows(32, grad_accum=2)
    assert sorted(rows) == list(range(32))
    parts = devices.split({"label": np.arange(32)[rows]}, grad_accum=2)["label"]
    assert parts.shape == (8, 2, 2)
    np.testing.assert_array_equal(np.sort(np.asarray(parts)[:, 0].ravel()), np.arange(16))
    np.testing.assert_array_equal(np.asarray(parts)[3, 1], [22, 23])


def test_anywhere_is_a_boolean_that_all_devices_agree_on():
    for said in (True, False):
        found = devices.anywhere(said)
        assert found.shape == ()
        assert bool(found) is said


def test_eval_counts_are_exact_whatever_the_number_of_devices():
    recipe = tiny.Recipe(tiny.config())
    batch = {**tiny.batch(16), "mask": np.arange(16) < 11}
    variables = {name: recipe.state.variables(name) for name in recipe.networks}
    counts = []
    for count in (1, 8):
        shares = {key: value.reshape(count, -1, *value.shape[1:]) for key, value in batch.items()}
        counts.append(tiny.mapped(step.eval_step(recipe.networks), count)(variables, shares))
    one, eight = counts
    assert int(one["count"]) == 11
    for name in ("student", "teacher"):
        assert int(one[f"{name}/confusion"].sum()) == 11
        np.testing.assert_array_equal(one[f"{name}/confusion"], eight[f"{name}/confusion"])
        np.testing.assert_array_equal(
            one[f"{name}/confusion"].sum(axis=1), np.bincount(batch["label"][:11], minlength=tiny.CLASSES)
        )
        assert int(one[f"{name}/top5"]) == 11  # five classes
        np.testing.assert_allclose(one[f"{name}/loss"], eight[f"{name}/loss"], rtol=1e-5)


def test_transformers_are_trained_by_convolutional_networks_and_the_other_way_round():
    """A distilled student without batch statistics: both its heads learn, and its average is kept."""
    config = tiny.config(losses__mskd__options__stages=(0, 1), ema_decay=0.9, batch_size=4)
    config.student = {"model": "deit_tiny_distilled_test", "init": "random", "options": {"drop_path_rate": 0.1}}
    recipe = tiny.Recipe(config)
    assert recipe.state.batch_stats["student"] == recipe.state.ema["batch_stats"] == {}
    after, metrics = tiny.mapped(recipe.step(), 1)(recipe.state, tiny.cut(tiny.batch(4), 1))
    assert np.isfinite(metrics["loss/total"])
    for head in ("head", "head_dist"):
        before, now = (state.params["student"][head]["kernel"] for state in (recipe.state, after))
        assert np.any(np.asarray(before) != np.asarray(now))
    assert after.batch_stats["student"] == {}


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the barrier before the updates is for XLA on CPUs")
def test_the_step_copies_no_kernel_that_it_updates():
    recipe = tiny.Recipe(tiny.config())
    train = jax.pmap(
        recipe.step(),
        axis_name=devices.DATA_AXIS,
        in_axes=(None, 0),
        out_axes=None,
        donate_argnums=0,
        devices=jax.devices()[:1],
    )
    text = train.lower(recipe.state, tiny.cut(tiny.batch(), 1)).compile().as_text()
    arguments = set(re.findall(r"%([\w.]+) = \S+ parameter\(", text[text.index("\nENTRY") :]))
    assert len(arguments) > 100
    copied = {name: shape for shape, name in re.findall(r" = f32\[([\d,]*)\]\S* copy\(%([\w.]+)\)", text)}
    kernels = [shape for name, shape in copied.items() if name in arguments and shape.count(",") == 3]
    assert not kernels


@pytest.mark.slow
def test_photos_without_labels_reach_the_student_through_the_couplings_alone():
    recipe = tiny.Recipe(tiny.config(sync_batch_norm=True))
    batch = tiny.batch()
    known = np.tile([True, True, True, False], 4)
    some = {**batch, "label": np.where(known, batch["label"], -1).astype(np.int32), "known": known}
    one, two = (tiny.mapped(recipe.step(), n)(recipe.state, tiny.cut(some, n))[1] for n in (1, 4))
    for name in one:
        assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-4), name
    whole = tiny.mapped(recipe.step(), 1)(recipe.state, tiny.cut(batch, 1))[1]
    for name in ("loss/mskd_teacher", "loss/kl_teacher"):
        assert float(one[name]) == pytest.approx(float(whole[name]), rel=1e-6)
    network, x = recipe.networks["student"], {"image": batch["image"]}
    module = network.module.clone(axis_name=None)
    train = functools.partial(module.apply, train=True, mutable=["batch_stats"])
    logits = jax.jit(train)(recipe.state.variables("student"), network.prepare(x))[0].logits
    label = np.maximum(some["label"], 0)
    of_each = -np.asarray(jax.nn.log_softmax(logits))[np.arange(16), label]
    assert float(one["loss/ce_student"]) == pytest.approx(of_each[known].mean(), rel=1e-5)
    hits = np.asarray(logits).argmax(-1) == label
    assert float(one["accuracy/student"]) == pytest.approx(hits[known].mean())
