import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import losses
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config.routing import ADVERSARIAL_MODES
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.outputs import Outputs

LABELS = jnp.zeros(4, jnp.int32)
READER = BlockReader((4,))


def terms_of(trainable, selection="all", **changes):
    config = config_lib.default()
    for name, entry in config.losses.items():
        entry.weight = 1.0 if name in ("similarity", "adversarial") else 0.0
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    entries = {name: entry.to_dict() for name, entry in config.losses.items()}
    readers = dict.fromkeys([*trainable, "ensemble"], READER)
    return losses.build(entries, trainable, 10, selection=selection, readers=readers)


def outputs(key):
    a, b = jax.random.split(jax.random.key(key))
    return Outputs(logits=jax.random.normal(a, (4, 6)), stages=(jax.random.normal(b, (4, 2, 2, 3)),))


class Adversaries:
    """The adversarial term of a mode over fixed outputs: its loss and its gradients."""

    def __init__(self, mode):
        terms = terms_of({"student": True, "t": False}, losses__adversarial__options__mode=mode)
        [self.term] = [term for term in terms if term.name == "adversarial_t"]
        self.student, self.teacher = outputs(0), outputs(1)
        of = {"student": self.student, "t": self.teacher}
        init = jax.jit(lambda key: losses.init([self.term], key, of, LABELS))
        self.params, self.stats = init(jax.random.key(2))
        self.value = jax.jit(self._value)
        self._gradients = jax.jit(jax.grad(self._value, argnums=(0, 1, 2)))

    def _value(self, student, teacher, params, step=0):
        of = {"student": student, "t": teacher}
        return losses.evaluate([self.term], params, self.stats, of, LABELS, jnp.int32(step))[0]

    def gradients(self, step):
        return self._gradients(self.student, self.teacher, self.params, jnp.int32(step))


def is_zero(tree):
    return all(np.all(leaf == 0) for leaf in jax.tree.leaves(tree))


def descend(tree, gradient):
    return jax.tree.map(lambda leaf, slope: leaf - 0.01 * slope, tree, gradient)


@pytest.mark.parametrize(("mode", "rises"), [("joint", False), ("reversal", True), ("alternate", True)])
def test_an_update_of_the_student_moves_the_discriminators_loss_as_the_mode_says(mode, rises):
    of = Adversaries(mode)
    student, teacher, params = of.gradients(step=1)
    before = of.value(of.student, of.teacher, of.params)
    after = of.value(descend(of.student, student), of.teacher, of.params)
    assert (after > before) == rises
    assert after != before
    assert is_zero(teacher)
    if mode == "alternate":
        assert is_zero(params)
    else:
        assert of.value(of.student, of.teacher, descend(of.params, params)) < before


def test_in_turns_the_student_feels_nothing_while_the_discriminators_learn():
    of = Adversaries("alternate")
    student, teacher, params = of.gradients(step=2)
    assert is_zero((student, teacher))
    before = of.value(of.student, of.teacher, of.params)
    assert of.value(of.student, of.teacher, descend(of.params, params)) < before


def test_reversal_and_joint_pull_equally_in_opposite_directions():
    (joint, _, own), (reversal, _, other) = (Adversaries(mode).gradients(0) for mode in ("joint", "reversal"))
    for a, b in zip(jax.tree.leaves(joint), jax.tree.leaves(reversal), strict=True):
        np.testing.assert_array_equal(a, -b)
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_similarity_pulls_on_the_student_alone():
    [term] = (term for term in terms_of({"student": True, "t": False}) if term.name == "similarity_t")

    def value(student, teacher):
        return losses.evaluate([term], {}, {}, {"student": student, "t": teacher}, LABELS, jnp.int32(0))[0]

    student, teacher = jax.jit(jax.grad(value, argnums=(0, 1)))(outputs(0), outputs(1))
    assert not is_zero(student.logits)
    assert not is_zero(student.stages)
    assert is_zero(teacher)


@pytest.mark.parametrize("r", [0.0, 0.5])
def test_dist_pulls_on_a_teacher_that_learns_only_where_the_routing_says_so(r):
    changes = {"losses__dist__weight": 1.0, "losses__dist__routing": {"t": r} if r else {}}
    [term] = (term for term in terms_of({"student": True, "t": True}, **changes) if term.name == "dist_t")

    def value(student, teacher):
        return losses.evaluate([term], {}, {}, {"student": student, "t": teacher}, LABELS, jnp.int32(0))[0]

    student, teacher = jax.jit(jax.grad(value, argnums=(0, 1)))(outputs(0), outputs(1))
    assert not is_zero(student.logits)
    assert is_zero(student.stages)
    assert is_zero(teacher) == (r == 0)


def test_the_accuracy_is_a_figure_of_the_term():
    of = Adversaries("reversal")
    inputs = {"student": of.student, "t": of.teacher}
    _, values, _, figures = losses.evaluate([of.term], of.params, of.stats, inputs, LABELS, jnp.int32(0))
    assert (set(values), set(figures)) == ({"adversarial_t"}, {"accuracy/adversarial_t"})


TWO_OF_THREE = {"student": True, "own": True, "x": False, "y": False}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("all", {f"{term}_{t}" for term in ("similarity", "adversarial") for t in "xy"}),
        ("random", {"similarity_ensemble", "adversarial_ensemble"}),
        ("mean", {"similarity_ensemble", "adversarial_ensemble"}),
    ],
)
def test_meals_terms_are_over_frozen_teachers_each_or_together(selection, expected):
    assert {term.name for term in terms_of(TWO_OF_THREE, selection)} == expected


def test_terms_on_maps_leave_out_teachers_that_stand_together():
    weights = {f"losses__{name}__weight": 1.0 for name in ("mskd", "ial", "kl")}
    names = {term.name for term in terms_of(TWO_OF_THREE, "random", **weights)}
    assert {"mskd_own", "ial_own", "kl_own", "kl_ensemble"} < names
    assert not any(name.endswith(("_x", "_y")) or name in ("mskd_ensemble", "ial_ensemble") for name in names)


def test_mode_none_has_no_discriminators():
    assert ADVERSARIAL_MODES[0] == "none"
    names = [term.name for term in terms_of(TWO_OF_THREE, "mean", losses__adversarial__options__mode="none")]
    assert names == ["similarity_ensemble"]
