import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jdnet_jax.losses import ial
from jdnet_jax.models.labels import PartLabels
from jdnet_jax.models.outputs import Outputs


def test_l2_by_hand():
    # Unit maps [0.6, 0.8] and [0, 1]: 0.36 + 0.04 = 2 - 2 * 0.8.
    value = ial.l2_distance(jnp.array([[[3.0, 4.0]]]), jnp.array([[[0.0, 9.0]]]))
    np.testing.assert_allclose(value, 0.4, rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_kl_by_hand(temperature):
    # Unit maps [1, 0] and [0, 1] of two positions: logits x = sqrt(2) / T and 0, and their mirror. The softmax is p and
    # 1 - p with p = e^x / (e^x + 1), and KL = x (p - (1 - p)).
    x = np.sqrt(2) / temperature
    p = np.exp(x) / (np.exp(x) + 1)
    value = ial.kl_distance(jnp.array([[[2.0, 0.0]]]), jnp.array([[[0.0, 2.0]]]), temperature)
    np.testing.assert_allclose(value, temperature**2 * x * (2 * p - 1), rtol=1e-5)


def test_the_temperature_reaches_the_term():
    maps = jnp.array([[[[1.0, 0.0], [0.0, 1.0]]]])
    student, teacher = _outputs(maps, jnp.eye(2)), _outputs(maps, jnp.array([[1.0, 1.0], [0.0, 0.0]]))
    term = ial.Ial("kl", temperature=0.5)(student, teacher, jnp.array([1]), train=True)
    expected = ial.kl_distance(jnp.array([[[0.0, 1.0]]]), jnp.array([[[1.0, 0.0]]]), 0.5)
    np.testing.assert_allclose(term, expected, rtol=1e-6)


@pytest.mark.parametrize("distance", [ial.l2_distance, ial.kl_distance])
def test_the_value_and_the_gradient_of_a_position_are_those_of_a_grid_of_twice_the_side(distance):
    student, teacher = (jax.random.uniform(jax.random.key(i), (2, 3, 3)) for i in range(2))

    def finer(maps):
        return jnp.repeat(jnp.repeat(maps, 2, axis=1), 2, axis=2)

    value, gradient = jax.jit(jax.value_and_grad(distance))(student, teacher)
    assert value > 0.01
    on_finer = jax.jit(jax.value_and_grad(lambda maps: distance(finer(maps), finer(teacher))))(student)
    np.testing.assert_allclose(on_finer[0], value, rtol=1e-5)
    np.testing.assert_allclose(on_finer[1], gradient, rtol=1e-4, atol=1e-7)


@hypothesis.given(
    arrays(np.float32, (2, 2, 2, 2), elements=st.floats(0, 100, width=32)),
)
def test_l2_is_in_its_range_and_is_two_minus_twice_the_cosine(maps):
    maps = np.where(maps < 0.01, 0, maps)
    student, teacher = maps
    value = ial.l2_distance(jnp.asarray(student), jnp.asarray(teacher))
    assert -1e-6 <= value <= 2 + 1e-5
    s, t = student.reshape(2, -1), teacher.reshape(2, -1)
    lengths = np.linalg.norm(s, axis=1) * np.linalg.norm(t, axis=1)
    if lengths.min() > 0:
        np.testing.assert_allclose(value, np.mean(2 - 2 * (s * t).sum(1) / lengths), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("distance", [ial.l2_distance, ial.kl_distance])
def test_an_all_zero_map_is_harmless(distance):
    teacher = jnp.array([[[1.0, 2.0]]])
    value, gradient = jax.jit(jax.value_and_grad(distance))(jnp.zeros((1, 1, 2)), teacher)
    assert np.isfinite(value)
    np.testing.assert_array_equal(gradient, np.zeros((1, 1, 2)))
    assert distance(jnp.zeros((1, 1, 2)), jnp.zeros((1, 1, 2))) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("distance", [ial.l2_distance, ial.kl_distance])
def test_constant_maps_agree_with_each_other_and_give_finite_gradients(distance):
    flat = jnp.ones((1, 2, 2))
    np.testing.assert_allclose(distance(flat, 5 * flat), 0.0, atol=1e-7)
    value, gradient = jax.jit(jax.value_and_grad(distance))(flat, jnp.array([[[0.0, 3.0], [0.0, 4.0]]]))
    assert value > 0
    assert np.all(np.isfinite(gradient))


def test_the_larger_map_is_pooled():
    large = jnp.array([[[1.0, 3.0], [1.0, 3.0]]])  # pooled to a 1x1 grid: 2
    np.testing.assert_allclose(ial.l2_distance(large, jnp.array([[[5.0]]])), 0.0, atol=1e-7)


@pytest.mark.parametrize("distance", [ial.l2_distance, ial.kl_distance])
def test_the_scale_of_a_map_does_not_matter(distance):
    a, b = (jax.random.uniform(jax.random.key(i), (3, 4, 4)) for i in range(2))
    np.testing.assert_allclose(distance(100 * a, b), distance(a, b), rtol=1e-5)


def _outputs(maps, kernel):
    return Outputs(logits=maps.mean((1, 2)) @ kernel, stages=(), maps=maps, kernel=kernel)


def test_the_term_compares_the_maps_of_the_true_label():
    maps = jnp.array([[[[1.0, 0.0], [0.0, 1.0]]]])  # channel 0 speaks at the left, channel 1 at the right
    student = _outputs(maps, jnp.array([[1.0, 0.0], [0.0, 1.0]]))
    teacher = _outputs(maps, jnp.array([[1.0, 1.0], [0.0, 0.0]]))
    value = {label: ial.Ial()(student, teacher, jnp.array([label]), train=True) for label in (0, 1)}
    np.testing.assert_allclose(value[0], 0.0, atol=1e-7)  # both look left for class 0
    np.testing.assert_allclose(value[1], 2.0, rtol=1e-6)  # for class 1 the student looks right, the teacher left


def test_bfloat16_maps():
    maps = jax.random.uniform(jax.random.key(0), (2, 2, 2, 3)).astype(jnp.bfloat16)
    kernel = jax.random.normal(jax.random.key(1), (3, 4))
    student = Outputs(logits=jnp.zeros((2, 4)), stages=(), maps=maps, kernel=kernel)
    value = ial.Ial()(student, student, jnp.array([0, 3]), train=True)
    assert value.dtype == jnp.float32
    assert value == 0


def test_a_mixture_has_the_map_of_both_labels_with_their_shares():
    # Two positions, one channel each; class 0 looks at the first, class 1 at the second, class 2 at neither.
    maps, kernel = jnp.array([[[[1.0, 0.0], [0.0, 2.0]]]]), jnp.array([[3.0, 0.0, -1.0], [0.0, 5.0, -1.0]])
    outputs = Outputs(logits=jnp.zeros((1, 3)), stages=(), maps=maps, kernel=kernel)
    np.testing.assert_allclose(outputs.activation(jnp.array([[0.25, 0.75, 0.0]])), [[[0.75, 7.5]]])
    np.testing.assert_allclose(outputs.activation(jnp.array([[0.0, 1.0, 0.0]])), outputs.activation(jnp.array([1])))
    np.testing.assert_array_equal(outputs.activation(jnp.array([[0.0, 0.0, 1.0]])), [[[0.0, 0.0]]])


def test_a_photo_without_label_has_the_map_of_the_teacher_s_class():
    maps = jax.random.uniform(jax.random.key(0), (2, 3, 3, 2))
    student = Outputs(logits=jnp.array([[9.0, 0.0], [9.0, 0.0]]), stages=(), maps=maps, kernel=jnp.eye(2))
    teacher = Outputs(logits=jnp.array([[9.0, 0.0], [0.0, 9.0]]), stages=(), maps=maps + 1.0, kernel=jnp.eye(2)[::-1])
    some = PartLabels(jnp.array([1, -1]), jnp.array([True, False]))
    found = ial.Ial()(student, teacher, some, train=True)
    assert float(found) == float(ial.Ial()(student, teacher, jnp.array([1, 1]), train=True))
    assert float(found) != float(ial.Ial()(student, teacher, jnp.array([1, 0]), train=True))


def _linear(key, channels, classes=3, grid=(2, 2)):
    keys = jax.random.split(jax.random.key(key), 3)
    maps = jax.random.uniform(keys[0], (2, *grid, channels))
    kernel, bias = jax.random.normal(keys[1], (channels, classes)), jax.random.normal(keys[2], (classes,))
    return Outputs(logits=maps.mean((1, 2)) @ kernel + bias, stages=(), maps=maps, kernel=kernel), bias


def test_the_maps_of_all_classes_are_the_scores_of_each_position():
    outputs, bias = _linear(0, 4)
    np.testing.assert_allclose(outputs.class_maps(), outputs.maps @ outputs.kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs.class_maps().mean((1, 2)), outputs.logits, rtol=1e-5, atol=1e-6)


def test_the_variant_classes_by_hand():
    # One photo, two positions, two classes. The teacher's scores are (0, log 3) at the left and (log 3, 0) at the
    # right; the student's are (0, 0) everywhere. With tau = 1 both positions have 3/4 log(3/2) + 1/4 log(1/2).
    log3 = np.log(3.0)
    maps, kernel = jnp.array([[[[0.0, log3], [log3, 0.0]]]]), jnp.eye(2)
    teacher = Outputs(logits=jnp.full((1, 2), log3 / 2), stages=(), maps=maps, kernel=kernel)
    student = Outputs(logits=jnp.zeros((1, 2)), stages=(), maps=0 * maps, kernel=kernel)
    value = ial.Ial("classes")(student, teacher, jnp.array([0]), train=True)
    np.testing.assert_allclose(value, 0.75 * np.log(1.5) + 0.25 * np.log(0.5), rtol=1e-5)
    warm = ial.Ial("classes", temperature=2.0)(student, teacher, jnp.array([0]), train=True)
    p = np.sqrt(3) / (np.sqrt(3) + 1)
    np.testing.assert_allclose(warm, 4 * (p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))), rtol=1e-5)
    # The label does not matter: the maps are those of all classes.
    assert ial.Ial("classes")(student, teacher, jnp.array([1]), train=True) == value


def test_the_variant_classes_pools_the_larger_grid_and_is_zero_for_equal_networks():
    student, _ = _linear(1, 4, grid=(4, 4))
    teacher, _ = _linear(2, 5)
    value = ial.Ial("classes")(student, teacher, jnp.array([0, 1]), train=True)
    assert np.isfinite(value)
    assert value > 0
    # Scores are linear in the maps: pooling the scores is pooling the maps.
    pooled = student.replace(maps=student.maps.reshape(2, 2, 2, 2, 2, 4).mean((2, 4)))
    np.testing.assert_allclose(ial.Ial("classes")(pooled, teacher, jnp.array([0, 1]), train=True), value, rtol=1e-5)
    term = ial.Ial("classes", temperature=3.0)
    gradient = jax.grad(lambda maps: term(student.replace(maps=maps), student, jnp.array([0, 1]), train=True))
    np.testing.assert_allclose(gradient(student.maps), 0, atol=1e-6)


def test_the_variant_classes_needs_maps():
    tokens = Outputs(logits=jnp.zeros((1, 2)), stages=(), attention=jnp.ones((1, 2, 2)))
    with pytest.raises(ValueError, match="no feature maps that one linear layer reads"):
        ial.Ial("classes")(tokens, tokens, jnp.array([0]), train=True)
