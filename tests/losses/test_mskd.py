import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.losses import mskd
from jdnet_jax.losses.classification import cross_entropy
from jdnet_jax.models import lowering
from jdnet_jax.models.outputs import Outputs


def _map(*positions):
    """A [1, 1, n, channels] feature map from its positions."""
    return jnp.array(positions, jnp.float32)[None, None]


def test_cosine_by_hand():
    # The angles are 0, 90 and 180 degrees: 1 - cos = 0, 1, 2.
    student = _map([2.0, 0.0], [1.0, 0.0], [0.0, 3.0])
    teacher = _map([5.0, 0.0], [0.0, 1.0], [0.0, -1.0])
    np.testing.assert_allclose(mskd.cosine_distance(student, teacher), 1.0, rtol=1e-6)


def test_l2_by_hand():
    # Unit maps [0.6, 0.8] and [1, 0]: 0.16 + 0.64.
    np.testing.assert_allclose(mskd.l2_distance(_map([3.0], [4.0]), _map([7.0], [0.0])), 0.8, rtol=1e-6)


def test_attention_by_hand():
    # Energies [9 + 16, 0] and [0, 1]: unit maps [1, 0] and [0, 1], squared differences 1 + 1.
    student, teacher = _map([3.0, 4.0], [0.0, 0.0]), _map([0.0], [-1.0])
    np.testing.assert_allclose(mskd.attention_distance(student, teacher), 2.0, rtol=1e-6)


@pytest.mark.parametrize("distance", mskd.DISTANCES.values(), ids=mskd.DISTANCES)
def test_equal_maps_have_no_distance(distance):
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    np.testing.assert_allclose(distance(x, x), 0.0, atol=1e-6)


@pytest.mark.parametrize("distance", mskd.DISTANCES.values(), ids=mskd.DISTANCES)
@pytest.mark.parametrize("fill", [0.0, 1.0], ids=["zero", "constant"])
def test_zero_and_constant_features_give_finite_gradients(distance, fill):
    teacher = jax.random.normal(jax.random.key(0), (1, 2, 2, 3))
    value, gradient = jax.jit(jax.value_and_grad(distance))(jnp.full((1, 2, 2, 3), fill), teacher)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    if fill == 0.0:
        np.testing.assert_array_equal(gradient, np.zeros((1, 2, 2, 3)))


@pytest.mark.parametrize("distance", mskd.DISTANCES.values(), ids=mskd.DISTANCES)
def test_bfloat16_features_give_a_float32_value_near_the_float32_one(distance):
    a, b = (jax.random.normal(jax.random.key(i), (2, 4, 4, 8)) for i in range(2))
    low = jax.jit(distance)(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16))
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, jax.jit(distance)(a, b), rtol=0.02)


def _outputs(key, channels, grids=((8, 8), (4, 4)), batch=2):
    keys = jax.random.split(jax.random.key(key), len(grids) + 1)
    stages = tuple(jax.random.normal(k, (batch, *grid, channels)) for k, grid in zip(keys, grids, strict=False))
    return Outputs(logits=jax.random.normal(keys[-1], (batch, 5)), stages=stages)


def initialised(module, student, teacher, labels):
    return jax.jit(functools.partial(module.init, train=False))(jax.random.key(2), student, teacher, labels)


@pytest.mark.parametrize("variant", [*mskd.DISTANCES, "logits"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_term_pools_the_larger_grid_and_trains_its_own_parameters(variant, batch):
    student = _outputs(0, 3, batch=batch)
    teacher = _outputs(1, 6, grids=((4, 4), (4, 4)), batch=batch)
    module, labels = mskd.Mskd(variant=variant, stages=(0, 1)), jnp.arange(batch)
    variables = initialised(module, student, teacher, labels)

    def value(params):
        return module.apply(
            {**variables, "params": params}, student, teacher, labels, train=True, mutable=["batch_stats"]
        )[0]

    params = variables.get("params", {})
    total, gradients = jax.jit(jax.value_and_grad(value))(params)
    assert total > 0
    assert (variant == "attention") == (params == {})
    assert all(
        np.any(leaf != 0) for path, leaf in jax.tree_util.tree_leaves_with_path(gradients) if "kernel" in str(path)
    )


def test_the_heads_of_the_logits_variant_by_hand():
    """With heads that start at zero, say, every logit is equal: two cross-entropies of log(5), and no divergence."""
    student, teacher, labels = _outputs(0, 3), _outputs(1, 3), jnp.array([0, 4])
    module = mskd.Mskd("logits", (0,), mutual=True)
    variables = initialised(module, student, teacher, labels)
    zeros = jax.tree.map(jnp.zeros_like, variables)
    np.testing.assert_allclose(module.apply(zeros, student, teacher, labels, train=True), 2 * np.log(5), rtol=1e-6)


@pytest.mark.parametrize("mutual", [False, True])
def test_the_teacher_feels_the_divergence_of_the_heads_only_where_mutual(mutual):
    """The gradient into the teacher's head beyond that of its cross-entropy is there with `mutual` alone."""
    student, teacher, labels = _outputs(0, 3), _outputs(1, 3), jnp.array([0, 4])
    module = mskd.Mskd("logits", (0,), mutual=mutual)
    variables = initialised(module, student, teacher, labels)

    def value(params):
        return module.apply({"params": params}, student, teacher, labels, train=True)

    def own(params):
        logits = mskd.StageHead(5).apply({"params": params["teacher_head0"]}, teacher.stages[0])
        return cross_entropy(logits, labels).mean()

    params = variables["params"]
    extra = jax.tree.map(np.subtract, *(jax.jit(jax.grad(of))(params)["teacher_head0"] for of in (value, own)))
    assert (max(np.abs(leaf).max() for leaf in jax.tree.leaves(extra)) > 1e-4) == mutual


def test_stages_are_summed_with_their_weights():
    student, teacher = _outputs(0, 4), _outputs(1, 4)
    labels = jnp.zeros(2, jnp.int32)

    def value(stages, weights):
        return mskd.Mskd("attention", stages, weights).apply({}, student, teacher, labels, train=True)

    first, second = value((0,), ()), value((1,), ())
    np.testing.assert_allclose(value((0, 1), (1.0, 3.0)), first + 3 * second, rtol=1e-6)
    np.testing.assert_allclose(value((0, 1), ()), first + second, rtol=1e-6)
    assert mskd.Mskd().stages == (-1,)
    assert value((-1,), ()) == second  # the deepest


def test_accelerators_compute_the_same_cosine_distance():
    keys = jax.random.split(jax.random.key(1))
    student, teacher = jax.random.normal(keys[0], (2, 4, 4, 8)), jax.random.normal(keys[1], (2, 2, 2, 8))

    def gradients():
        return jax.jit(jax.value_and_grad(lambda s, t: mskd.cosine_distance(s, t), (0, 1)))(student, teacher)

    expected = gradients()
    with lowering.for_platform("tpu"):
        found = gradients()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
