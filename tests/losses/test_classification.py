import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jdnet_jax.losses.classification import (
    CrossEntropy,
    Dist,
    Distill,
    Kl,
    correlation,
    cross_entropy,
    kl_divergence,
    standardize,
)
from jdnet_jax.models.labels import PartLabels
from jdnet_jax.models.outputs import Outputs

LN2, LN3 = np.log(2.0), np.log(3.0)


def test_cross_entropy_by_hand():
    # softmax([ln 1, ln 2]) = [1/3, 2/3]
    logits = jnp.array([[0.0, LN2], [0.0, LN2]])
    np.testing.assert_allclose(cross_entropy(logits, jnp.array([0, 1])), [LN3, LN3 - LN2], rtol=1e-6)


def test_label_smoothing_by_hand():
    # target [0.9 + 0.05, 0.05] against [1/3, 2/3]
    expected = 0.95 * LN3 + 0.05 * (LN3 - LN2)
    np.testing.assert_allclose(cross_entropy(jnp.array([[0.0, LN2]]), jnp.array([0]), 0.1), [expected], rtol=1e-6)


LOGITS = jnp.array([[0.0, LN2], [0.0, LN2]])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (jnp.array([0, 1]), (0.5 * LN3 + 3 * (LN3 - LN2)) / 2),
        # Of a mixture in halves: weight (0.5 + 3) / 2, cross-entropy the mean of both.
        (jnp.array([[0.5, 0.5], [0.5, 0.5]]), 1.75 * (LN3 - LN2 / 2)),
        # One photo without a label: the mean over those that have one.
        (PartLabels(jnp.array([1, -1]), jnp.array([True, False])), 3 * (LN3 - LN2)),
    ],
)
def test_weights_of_classes_by_hand(labels, expected):
    weighted = CrossEntropy(class_weights=(0.5, 3.0))
    value = weighted.apply({}, Outputs(logits=LOGITS, stages=()), labels, train=True)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_equal_weights_are_none():
    labels, network = jnp.array([0, 1]), Outputs(logits=LOGITS, stages=())
    plain, weighted = (
        CrossEntropy(0.1, weights).apply({}, network, labels, train=True) for weights in ((), (1.0, 1.0))
    )
    np.testing.assert_allclose(weighted, plain, rtol=1e-6)


def test_a_weight_of_zero_sends_no_gradient():
    def loss(logits):
        network = Outputs(logits=logits, stages=())
        return CrossEntropy(class_weights=(0.0, 1.0)).apply({}, network, jnp.array([0, 1]), train=True)

    gradient = jax.grad(loss)(LOGITS)
    np.testing.assert_array_equal(gradient[0], 0.0)
    assert np.abs(gradient[1]).min() > 0


def test_cross_entropy_gradient_is_probability_minus_target():
    gradient = jax.grad(lambda z: cross_entropy(z, jnp.array([0])).sum())(jnp.array([[0.0, LN2]]))
    np.testing.assert_allclose(gradient, [[1 / 3 - 1, 2 / 3]], rtol=1e-6)


def test_kl_by_hand():
    # KL([1/2, 1/2] || [1/3, 2/3]) = 1/2 ln(3/2) + 1/2 ln(3/4)
    expected = 0.5 * np.log(1.5) + 0.5 * np.log(0.75)
    np.testing.assert_allclose(kl_divergence(jnp.zeros((1, 2)), jnp.array([[0.0, LN2]])), [expected], rtol=1e-5)


def test_kl_temperature_divides_the_logits_and_multiplies_by_its_square():
    target, logits = jnp.array([[1.0, -1.0, 0.5]]), jnp.array([[0.2, 0.1, -3.0]])
    np.testing.assert_allclose(
        kl_divergence(target, logits, 4.0), 16 * kl_divergence(target / 4, logits / 4), rtol=1e-5
    )


def test_kl_of_equal_logits_is_zero_with_zero_gradient():
    z = jnp.array([[3.0, -1.0, 0.0]])
    value, gradient = jax.value_and_grad(lambda a: kl_divergence(z, a).sum())(z)
    assert abs(value) < 1e-6
    np.testing.assert_allclose(gradient, np.zeros((1, 3)), atol=1e-6)


def _pair(s, t):
    return Outputs(logits=s, stages=()), Outputs(logits=t, stages=())


def test_standardized_logits_by_hand():
    # Mean 2 and 5, deviation sqrt(2/3) and 2 sqrt(2/3).
    expected = np.array([-1.0, 0.0, 1.0]) * np.sqrt(1.5)
    np.testing.assert_allclose(
        standardize(jnp.array([[1.0, 2.0, 3.0], [3.0, 5.0, 7.0]])), [expected, expected], rtol=1e-6
    )


def test_kl_of_standardized_logits_is_that_of_their_shape_alone():
    s, t = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[3.0, 1.0, 2.0]])
    term, labels = Kl(temperature=2.0, standardized=True), jnp.array([0])
    expected = kl_divergence(standardize(t), standardize(s), 2.0).mean()
    assert expected > 0.1
    np.testing.assert_allclose(term(*_pair(s, t), labels, train=True), expected, rtol=1e-6)
    np.testing.assert_allclose(term(*_pair(9 * s - 4, t / 7 + 1), labels, train=True), expected, rtol=1e-5)
    assert not np.isclose(Kl(temperature=2.0)(*_pair(s, t), labels, train=True), expected)


def test_equal_logits_have_no_shape_and_no_gradient():
    t, labels = jnp.array([[3.0, 1.0, 2.0]]), jnp.zeros(1, jnp.int32)
    gradient = jax.jit(jax.grad(lambda s: Kl(standardized=True)(*_pair(s, t), labels, train=True)))
    np.testing.assert_array_equal(gradient(jnp.full((1, 3), 5.0)), np.zeros((1, 3)))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dist_by_hand(temperature):
    s = jnp.log(jnp.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])) * temperature
    t = jnp.log(jnp.array([[0.2, 0.3, 0.5], [0.2, 0.5, 0.3]])) * temperature
    # Between classes: photo 0 has deviations (5, -1, -4)/30 and (-4, -1, 5)/30, correlation -39/42; photo 1 is equal.
    # Between photos: class 0 is constant in t, correlation 0; class 1 is equal; class 2 is opposite.
    between_classes, between_photos = (1 + 39 / 42) / 2, (1 + 0 + 2) / 3
    value = Dist(beta=2.0, gamma=3.0, temperature=temperature)(*_pair(s, t), jnp.zeros(2, jnp.int32), train=True)
    np.testing.assert_allclose(value, temperature**2 * (2 * between_classes + 3 * between_photos), rtol=1e-4)


def test_dist_is_blind_to_a_linear_change_of_the_probabilities():
    """Each photo's and each class's deviations keep their direction where the student is halfway to uniform."""
    t = jax.nn.softmax(jax.random.normal(jax.random.key(0), (4, 5)))
    s = 0.5 * t + 0.5 / 5
    value = Dist()(*_pair(jnp.log(s), jnp.log(t)), jnp.zeros(4, jnp.int32), train=True)
    np.testing.assert_allclose(value, 0.0, atol=1e-5)


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 0.0), (0.0, 1.0)])
def test_dist_of_equal_logits_is_zero_with_zero_gradient_and_of_constant_ones_finite(beta, gamma):
    z = jax.random.normal(jax.random.key(0), (4, 5))
    labels = jnp.zeros(4, jnp.int32)
    term = jax.jit(jax.value_and_grad(lambda s: Dist(beta, gamma)(*_pair(s, z), labels, train=True)))
    value, gradient = term(z)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    np.testing.assert_allclose(gradient, np.zeros((4, 5)), atol=1e-6)
    value, gradient = term(jnp.zeros((4, 5)))
    np.testing.assert_allclose(value, 1.0, atol=1e-5)
    assert np.all(np.isfinite(gradient))


@hypothesis.given(arrays(np.float32, (2, 3, 4), elements=st.floats(-10, 10, width=32)), st.sampled_from([0, 1]))
def test_a_correlation_is_numpys(pair, axis):
    pair = np.round(pair, 1)
    found = correlation(*map(jnp.asarray, pair), axis)
    for got, a, b in zip(found, *(np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]) for x in pair), strict=True):
        expected = np.corrcoef(a, b)[0, 1] if np.ptp(a) and np.ptp(b) else 0.0
        np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("mutual", [False, True])
def test_kl_term_reaches_the_teacher_only_where_mutual(mutual):
    labels = jnp.array([0])

    def value(s, t):
        return Kl(temperature=2.0, mutual=mutual)(*_pair(s, t), labels, train=True)

    s, t = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 2.0]])
    ds, dt = jax.jit(jax.grad(value, argnums=(0, 1)))(s, t)
    # d/dz_S tau^2 KL(p_T || p_S) = tau (p_S - p_T), and the other way round for the teacher.
    p_s, p_t = jax.nn.softmax(s / 2), jax.nn.softmax(t / 2)
    np.testing.assert_allclose(ds, 2 * (p_s - p_t), rtol=1e-5)
    if mutual:
        np.testing.assert_allclose(dt, 2 * (p_t - p_s), rtol=1e-5)
    else:
        np.testing.assert_array_equal(dt, jnp.zeros((1, 2)))


def test_cross_entropy_term_is_the_mean():
    logits = jnp.array([[0.0, LN2], [0.0, LN2]])
    outputs = Outputs(logits=logits, stages=())
    value = CrossEntropy()(outputs, jnp.array([0, 1]), train=True)
    np.testing.assert_allclose(value, (2 * LN3 - LN2) / 2, rtol=1e-6)


def test_cross_entropy_with_shares_is_the_weighted_sum():
    logits, shares = jnp.array([[0.0, LN2], [0.0, LN2]]), jnp.array([[0.25, 0.75], [0.0, 1.0]])
    expected = [0.25 * LN3 + 0.75 * (LN3 - LN2), LN3 - LN2]
    np.testing.assert_allclose(cross_entropy(logits, shares), expected, rtol=1e-6)
    # 0.9 of that and 0.1 of the even target
    smoothed = cross_entropy(logits, shares, 0.1)
    np.testing.assert_allclose(smoothed, 0.9 * np.array(expected) + 0.1 * (LN3 - 0.5 * LN2), rtol=1e-6)


def distilled(class_logits, distillation_logits):
    mean = (class_logits + distillation_logits) / 2
    return Outputs(logits=mean, stages=(), class_logits=class_logits, distillation_logits=distillation_logits)


# softmax([0, ln 2]) = [1/3, 2/3] of the class head, [1/4, 3/4] of the distillation head.
STUDENT_HEADS = (jnp.array([[0.0, LN2]]), jnp.array([[0.0, LN3]]))


@pytest.mark.parametrize(("teacher", "taught"), [([5.0, 1.0], np.log(4)), ([1.0, 1.5], np.log(4 / 3))])
def test_hard_distillation_by_hand(teacher, taught):
    """1/2 CE(class head, label) + 1/2 CE(distillation head, the teacher's class)."""
    student, fixed = distilled(*STUDENT_HEADS), Outputs(logits=jnp.array([teacher]), stages=())
    value = Distill()(student, fixed, jnp.array([0]), train=True)
    np.testing.assert_allclose(value, 0.5 * LN3 + 0.5 * taught, rtol=1e-6)


def test_the_label_alone_is_smoothed():
    """1/2 (0.9 CE(class head, label) + 0.1 CE(class head, even)) + 1/2 CE(distillation head, the teacher's class)."""
    fixed = Outputs(logits=jnp.array([[5.0, 1.0]]), stages=())
    value = Distill(label_smoothing=0.1)(distilled(*STUDENT_HEADS), fixed, jnp.array([0]), train=True)
    even = (LN3 + LN3 - LN2) / 2
    np.testing.assert_allclose(value, 0.5 * (0.9 * LN3 + 0.1 * even) + 0.5 * np.log(4), rtol=1e-6)


def test_soft_distillation_by_hand():
    """(1 - share) CE(class head, label) + share tau^2 KL(teacher || distillation head)."""
    teacher = jnp.array([[1.0, 0.0]])
    p = 1 / (1 + np.exp(-np.array([1, -1]) / 2))  # at temperature 2
    q = np.array([1, np.sqrt(3)]) / (1 + np.sqrt(3))
    value = Distill(variant="soft", temperature=2.0, share=0.1)(
        distilled(*STUDENT_HEADS), Outputs(logits=teacher, stages=()), jnp.array([1]), train=True
    )
    expected = 0.9 * (LN3 - LN2) + 0.1 * 4 * np.sum(p * np.log(p / q))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("variant", ["hard", "soft"])
def test_each_head_has_its_own_teacher_and_the_teacher_is_fixed(variant):
    def value(class_logits, distillation_logits, teacher, labels):
        student = distilled(class_logits, distillation_logits)
        return Distill(variant=variant)(student, Outputs(logits=teacher, stages=()), labels, train=True)

    teacher = jnp.array([[2.0, -1.0]])
    gradients = jax.jit(jax.grad(value, argnums=(0, 1, 2)))
    by_label = [gradients(*STUDENT_HEADS, teacher, jnp.array([label])) for label in (0, 1)]
    assert np.any(by_label[0][0] != by_label[1][0])
    np.testing.assert_array_equal(by_label[0][1], by_label[1][1])  # the label does not reach the distillation head
    other = gradients(*STUDENT_HEADS, -teacher, jnp.array([0]))
    np.testing.assert_array_equal(other[0], by_label[0][0])  # nor the teacher the class head
    assert np.any(other[1] != by_label[0][1])
    np.testing.assert_array_equal(by_label[0][2], [[0.0, 0.0]])


def test_a_teacher_of_two_heads_teaches_its_answer():
    a, b = jnp.array([[2.0, 0.0]]), jnp.array([[-2.0, 1.0]])
    teacher = Outputs(logits=(a + b) / 2, stages=(), class_logits=a, distillation_logits=b)
    student = Outputs(logits=jnp.array([[0.5, -0.5]]), stages=())
    p = (jax.nn.softmax(a) + jax.nn.softmax(b)) / 2
    q = jax.nn.softmax(student.logits)
    expected = jnp.sum(p * jnp.log(p / q))
    found = Kl(temperature=1.0).apply({}, student, teacher, jnp.array([0]), train=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_mean_cross_entropy_is_over_photos_that_have_a_label():
    logits = jnp.array([[0.0, 1.0], [5.0, -5.0], [2.0, 0.0]])
    some = PartLabels(jnp.array([0, -1, 1]), jnp.array([True, False, True]))
    expected = cross_entropy(logits[::2], jnp.array([0, 1]), 0.1)

    def mean(logits):
        return cross_entropy(logits, some, 0.1).mean()

    value, gradient = jax.value_and_grad(mean)(logits)
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-6)
    np.testing.assert_array_equal(gradient[1], 0.0)
    assert np.all(gradient[::2] != 0)
